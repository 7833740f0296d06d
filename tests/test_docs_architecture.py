"""The pictures of the architecture are true: the floors are import-linter's, and the rooms of a review call one another as drawn."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mesh_injector"
PICTURES = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.DOTALL)
FLOORS = next(picture for picture in PICTURES if "subgraph" in picture)
REVIEW = next(picture for picture in PICTURES if picture.startswith("sequenceDiagram"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
NAMES = dict(re.findall(r"participant (\w+) as (\S+\.py)", REVIEW))
CALLS = [call for call in re.findall(r"(\w+)->>(\w+): ([\w ]+)", REVIEW) if call[0] in NAMES]


def rooms(floor: str) -> list[str]:
    return sorted(room.removeprefix("mesh_injector.") for room in re.split(r" [|·] ", floor))


def drawn(picture: str) -> list[list[str]]:
    """The floors of a picture, from the top: each is named where it stands first."""
    return [rooms(label) for label in re.findall(r'(?<!subgraph )\b\w+\["([^"]+)"\]', re.sub(r"subgraph .*", "", picture))]


def test_the_floors_are_those_that_import_linter_holds() -> None:
    layers = next(contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
    assert drawn(FLOORS) == [rooms(layer) for layer in layers]


def test_each_floor_stands_on_the_next() -> None:
    order = re.findall(r'\b(\w+)\["', re.sub(r"subgraph .*", "", FLOORS))
    arrows = set(re.findall(r'(\w+)(?:\["[^"]+"\])? --> (\w+)', FLOORS))
    assert arrows == set(itertools.pairwise(order))


def test_the_pure_rooms_are_those_that_import_linter_keeps_pure() -> None:
    pure = next(contract["source_modules"] for contract in CONTRACTS if "are pure" in contract["name"])
    found = drawn(FLOORS.partition("subgraph pure")[2])
    assert sorted(room for floor in found for room in floor) == sorted(module.removeprefix("mesh_injector.") for module in pure)


@pytest.mark.parametrize("name", NAMES.values())
def test_a_room_of_the_review_is_there(name: str) -> None:
    assert (PACKAGE / name).is_file()


@pytest.mark.parametrize(("caller", "called", "what"), CALLS, ids=[f"{caller} {called}" for caller, called, _ in CALLS])
def test_a_room_of_the_review_calls_the_next_one(caller: str, called: str, what: str) -> None:
    text = (PACKAGE / NAMES[caller]).read_text(encoding="utf-8")
    first = what.split(maxsplit=1)[0]
    behind = {"ruling": "rules"}.get(called, called)  # the engine knows a format as its rules
    assert re.search(rf"\b_?{behind}\.{first}\b", text), f"{NAMES[caller]} does not call {behind}.{first}"
