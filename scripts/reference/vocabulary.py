"""The tables of messages and reasons, from their modules."""

import ast
import itertools
from pathlib import Path

from mesh_injector import reasons
from mesh_injector.messages import MEANINGS
from mesh_injector.reasons import CODES, Reason
from scripts.reference.markdown import one_line, table


def codes() -> str:
    """Every message code with its name, meaning and fix."""
    rows = ([code, meaning.name, meaning.what, meaning.fix] for code, meaning in MEANINGS.items())
    return table(("code", "name", "what it means", "how to fix it"), rows)


def answers() -> str:
    """The reasons that are no errors, by the texts under them."""
    texts = _texts(Path(reasons.__file__).read_text(encoding="utf-8"))
    return table(("reason", "what it means"), ([reason.value, texts[reason.name]] for reason in Reason if reason not in CODES))


def _texts(module: str) -> dict[str, str]:
    """The texts under the members of `Reason`."""
    [body] = [node.body for node in ast.parse(module).body if isinstance(node, ast.ClassDef) and node.name == "Reason"]
    found = {}
    for member, below in itertools.pairwise(body):
        match member, below:
            case ast.Assign(targets=[ast.Name(name)]), ast.Expr(ast.Constant(str(words))):
                found[name] = one_line(words)
    return found
