"""The parts of the reference that follow from the code: one module for each page or table, each a function that gives Markdown.

`python -m scripts.generate_reference` writes them into docs/.
"""
