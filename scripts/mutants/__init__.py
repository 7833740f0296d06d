"""Break the engine in one small way after the other, and see which of these mutants its tests overlook.

mutmut makes the mutants; they are run here, each in a fork of one pytest that has collected the tests and run none, and only by the tests
that call the function: a hundred times faster than a pytest for each, so that the whole engine is a matter of an hour or two.
"""
