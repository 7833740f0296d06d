"""Reads the collections of corpora/, as their README describes them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mesh_injector.reasons import Reason

FOLDER: Final = Path(__file__).parent.parent / "corpora"


@dataclass(frozen=True)
class Attack:
    """A hostile template, and the reason by which it is refused or cut."""

    id: str
    template: str
    outcome: Reason


def entries(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _read(name)["entries"]
    return found


def values() -> dict[str, str]:
    """Every hostile value by its id."""
    return {entry["id"]: _text(entry.get("value", entry)) for entry in entries("hostile-values.json")}


def templates() -> list[Attack]:
    """Every hostile template."""
    return [Attack(one["id"], _text(one["template"]), Reason(one["outcome"])) for one in entries("hostile-templates.json")]


def data() -> dict[str, Any]:
    """The values that the hostile templates name."""
    return {name: _value(described) for name, described in _read("hostile-templates.json")["values"].items()}


def _read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="ascii"))


def _text(described: Any) -> str:
    if isinstance(described, list):
        return "".join(map(_text, described))
    return described if isinstance(described, str) else described["repeat"] * described["times"]


def _value(described: Any) -> Any:
    if not isinstance(described, dict) or "repeat" in described:
        return _text(described)
    if "range" in described:
        return list(range(described["range"]))
    if "copies" in described:
        return [_value(described["copies"])] * described["times"]
    if "keys" in described:
        return dict.fromkeys(map(_text, described["keys"]), 1)
    if "mapping" in described:
        return {name: _value(inner) for name, inner in described["mapping"].items()}
    nested: Any = None
    for _ in range(described["nest"]):
        nested = [nested]
    return nested
