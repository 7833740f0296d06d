"""The fields that a model has at a path, and several readings as one."""

import pytest
from pydantic import BaseModel, Field

from mesh_injector import documents, reasons
from mesh_injector.documents import fitting, reading
from mesh_injector.documents.reading import Reading
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.reasons import Reason


class Inner(BaseModel):
    deep: int = Field(0, alias="deepField")


class Outer(BaseModel):
    one: Inner | None = None
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    text: str = ""


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ((), ["one", "many", "named", "text"]),
        (("one",), ["deepField"]),
        (("many", 3), ["deepField"]),
        (("named",), ["deepField"]),
        (("text",), []),
        (("text", "below"), []),
        (("unknown",), []),
    ],
)
def test_the_fields_at_a_path_are_those_of_the_model_there(path: tuple[str | int, ...], known: list[str]) -> None:
    assert fitting.fields(Outer, path) == known


def test_several_readings_are_one_and_what_is_wrong_in_one_is_wrong_in_all() -> None:
    (document,) = documents.parse("apiVersion: v1\nkind: A\nmetadata: {name: a}", "a.yaml").documents
    problem = Problem(reasons.UNREADABLE, "gone", "b", "look")
    unread = InjectionError(Reason.CONFIG_MAP_MISSING, "no right", where="spec", fix="grant it")
    first = Reading((document,), (), ("a.yaml",), ("c.yaml",), {"shop": unread})
    second = Reading((), (problem,), ("b",), (), {}, ok=False)
    assert reading.together((first, second)) == Reading((document,), (problem,), ("a.yaml", "b"), ("c.yaml",), {"shop": unread}, ok=False)
    assert reading.together((first, first)).ok
