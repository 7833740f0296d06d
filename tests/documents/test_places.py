"""Positions of fields, drawn lines, and the items of lists."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from mesh_injector import documents, reasons
from mesh_injector.documents import Document, Origin
from mesh_injector.errors import ConfigError

TEXT = """\
# a comment
apiVersion: v1
kind: ConfigMap
metadata:
  name: x
  yes: 1
  1.10: 2
  !!str 5: 3
spec:
  list:
  - a: 1
    b:
  - &two
    c: 3
  empty: {}
  other: *two
merged:
  <<: [*two, {d: 4}]
  e: 5
  f: {<<: {g: 6}}
data:
  patch: |
    one
     two

  late: |  # comment

      deep
  hinted: |2-
       x
  folded: >
    text
  blank: |

  none:
"""


def only(text: str = TEXT, before: str = "") -> Document:
    (document,) = documents.parse(before + text, "f.yaml").documents
    return document


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "2:1"),
        (("kind",), "3:7"),
        (("metadata",), "5:3"),
        (("metadata", "name"), "5:9"),
        (("metadata", "true"), "6:8"),
        (("metadata", "1.1"), "7:9"),
        (("metadata", "5"), "8:12"),
        (("spec", "list", 0, "a"), "11:8"),
        (("spec", "list", 1, "c"), "14:8"),
        (("spec", "empty"), "15:10"),
        (("spec", "other", "c"), "14:8"),
        (("merged", "c"), "14:8"),
        (("merged", "d"), "18:18"),
        (("merged", "e"), "19:6"),
        (("merged", "f", "g"), "20:15"),
    ],
)
def test_a_value_is_found_at_its_line_and_column(path: documents.Path, place: Any) -> None:
    assert str(only().locate(path)) == f"f.yaml:{place}"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("nothing",), "2:1"),
        (("metadata", "nothing"), "4:1"),
        (("metadata", "name", "deeper"), "5:3"),
        (("spec", "list", 7), "10:3"),
        (("spec", "list", 0, "x", "y"), "11:5"),
        (("spec", "empty", 0), "15:3"),
        (("merged", "nothing"), "17:1"),
    ],
)
def test_a_missing_value_is_placed_at_the_key_of_its_nearest_ancestor(path: documents.Path, place: Any) -> None:
    assert str(only().locate(path)) == f"f.yaml:{place}"


def test_lines_are_those_of_the_whole_file() -> None:
    document = only(before="# x\n---\n---\n")
    assert document.origin.line == 5
    assert document.locate(("kind",)) == Origin("f.yaml", 6, 7)
    assert document.block_line(("data", "patch")) == Origin("f.yaml", 26, 5)


@pytest.mark.parametrize(("key", "place"), [("patch", (23, 5)), ("late", (27, 7)), ("hinted", (30, 5)), ("blank", (34, 1))])
def test_the_first_line_of_a_literal_block_is_known(key: str, place: Any) -> None:
    assert only().block_line(("data", key)) == Origin("f.yaml", *place)


def test_the_first_line_of_a_block_that_begins_with_an_empty_line_is_that_line() -> None:
    late = only().block_line(("data", "late"))
    assert late is not None
    assert TEXT.splitlines()[late.line - 1] == ""
    assert TEXT.splitlines()[late.line][late.column - 1 :] == "deep"


@pytest.mark.parametrize("path", [("data", "folded"), ("data", "none"), ("data", "missing"), ("kind",), ("data",)])
def test_only_literal_blocks_have_lines(path: documents.Path) -> None:
    assert only().block_line(path) is None


def test_an_excerpt_draws_two_lines_above_and_a_caret() -> None:
    document = only()
    assert document.excerpt(document.locate(("spec", "list", 0, "a"))) == "   9 | spec:\n  10 |   list:\n  11 |   - a: 1\n     |        ^"
    assert document.excerpt(document.locate(())) == "  1 | # a comment\n  2 | apiVersion: v1\n    | ^"


def test_an_excerpt_shows_tabs_hides_what_cannot_be_printed_and_cuts_long_lines() -> None:
    text = '{"apiVersion": "v1", "kind": "X",\n\t"\u200b": "' + "a" * 500 + '", "z": 1}'
    document = only(text)
    assert document.excerpt(document.locate(("\u200b",))).splitlines()[1] == '  2 | →"�": "' + "a" * 113
    *_, line, caret = document.excerpt(document.locate(("z",))).splitlines()
    assert line[caret.index("^")] == "1"
    assert len(line) < 130


@pytest.mark.parametrize("place", [Origin("f.yaml"), Origin("f.yaml", 99, 1), Origin("other.yaml", 3, 1)])
def test_a_place_outside_the_text_has_no_excerpt(place: Any) -> None:
    assert only(before="---\n").excerpt(place) == ""


def test_a_place_above_the_documents_own_text_has_no_excerpt() -> None:
    assert only(before="# first\n---\n").excerpt(Origin("f.yaml", 1, 1)) == ""


def test_an_object_of_the_cluster_has_its_own_name_for_every_place() -> None:
    document = Document({"kind": "ConfigMap"}, Origin("ConfigMap mesh-system/x"))
    assert str(document.locate(("data", "patch"))) == "ConfigMap mesh-system/x"
    assert document.excerpt(document.origin) == ""
    assert document.block_line(("data", "patch")) is None


def test_json_with_escapes_that_yaml_lacks_still_has_places() -> None:
    document = only('{"apiVersion": "v1", "kind": "X",\n "a": "\\ud83d\\ude00",\n "b": 1}')
    assert str(document.locate(("b",))) == "f.yaml:3:7"


def test_a_text_that_composes_to_nothing_leaves_the_origin() -> None:
    document = Document({}, Origin("f.yaml", 3, 1), "a: [")
    assert document.locate(("a",)) == document.origin


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
- apiVersion: v1
  kind: PodList
  items:
  - metadata: {name: b}
    data:
      x: |
        text
  - {apiVersion: v2, kind: Job, metadata: {name: c}}
"""


def test_a_list_is_expanded_with_the_lists_inside_it_and_keeps_positions() -> None:
    found = documents.expand(only(LIST, "---\n"))
    assert [(each.api_version, each.kind, each.name) for each in found] == [("v1", "Pod", "a"), ("v1", "Pod", "b"), ("v2", "Job", "c")]
    assert [str(each.locate(())) for each in found] == ["f.yaml:5:3", "f.yaml:11:5", "f.yaml:15:5"]
    assert str(found[1].locate(("metadata", "name"))) == "f.yaml:11:22"
    assert str(found[1].locate(("spec",))) == "f.yaml:11:5"
    assert found[1].block_line(("data", "x")) == Origin("f.yaml", 14, 9)
    assert found[0].excerpt(found[0].locate(("kind",))) == "  4 | items:\n  5 | - apiVersion: v1\n  6 |   kind: Pod\n    |         ^"
    assert {each.text for each in found} == {""}


@pytest.mark.parametrize("text", ["kind: Pod\nitems: [1]", "kind: AllowList", "kind: AllowList\nitems: all", "kind: List\nitems: {}"])
def test_what_is_no_list_stays_as_it_is(text: str) -> None:
    document = only(f"apiVersion: v1\n{text}\n")
    assert documents.expand(document) == (document,)


@pytest.mark.parametrize("text", ["kind: List\nitems: []", "kind: List\nitems:", "kind: List", "kind: PodList\nitems: []"])
def test_an_empty_list_expands_to_nothing(text: str) -> None:
    assert documents.expand(only(f"apiVersion: v1\n{text}\n")) == ()


@pytest.mark.parametrize("item", ["text", "~", "{kind: Pod}", "{apiVersion: v1}", "[]"])
def test_an_item_that_is_no_object_is_told_with_its_place(item: str) -> None:
    document = only(f"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n- {item}\n")
    with pytest.raises(ConfigError) as caught:
        documents.expand(document)
    told = caught.value.problem
    assert (told.code, told.where) == (reasons.NOT_A_MANIFEST, "f.yaml:6:3")
    assert told.what == "item 1 of the List is no Kubernetes object"
    assert told.excerpt.endswith("    |   ^")


def calls(work: Callable[[], Any]) -> int:
    """How many functions of Python a piece of work calls, which is the same on every machine."""
    seen = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal seen
        seen += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return seen


def test_a_place_costs_the_same_however_many_were_asked_for_before() -> None:
    document = only("apiVersion: v1\nkind: A\nlist:\n" + "".join(f"- {{a: {at}}}\n" for at in range(1000)))
    document.locate(("list",))

    def locate() -> None:
        assert [document.locate(("list", at, "a")).line for at in range(1000)] == list(range(4, 1004))

    assert calls(locate) < 60 * 1000
