"""The tables of the template language that are data of the engine: its variables and its bounds."""

from typing import Final

from mesh_injector.engine.template import bounds, names
from scripts.reference.markdown import amount, code, table

_BOUNDS: Final = (
    ("characters of a template", bounds.TEMPLATE_CHARACTERS),
    ("words and signs inside tags; each text between two tags counts as one, the sample has 50", bounds.TOKENS),
    ("brackets inside each other", bounds.BRACKETS),
    ("blocks and expressions inside each other", bounds.NESTING),
    ("steps of all loops", bounds.LOOP_STEPS),
    ("evaluations: a loop counts its steps times the size of its body, a filter "
     f"{bounds.CALL}, and each value it looks at or writes a few more", bounds.WORK),
    ("values written, with everything inside them", bounds.VALUES),
    ("values inside each other", bounds.DEPTH),
    ("characters of one text", bounds.TEXT_CHARACTERS),
    ("characters of all text that is made on the way", bounds.PRODUCED_CHARACTERS),
    ("characters of output", bounds.OUTPUT_CHARACTERS),
    (f"keys and values of the rendered YAML, where a list or mapping counts as {bounds.STRUCTURE}", bounds.NODES),
)  # fmt: skip


def variables() -> str:
    """Every variable with its shape."""
    return table(("variable", "shape", "what"), ([code(name), *shape.split(": ", 1)] for name, shape in names.VARIABLES.items()))


def limits() -> str:
    """Every bound of a template and its rendering."""
    return table(("at most", "of what"), ([amount(number), what] for what, number in _BOUNDS))
