"""YAML that every reader reads alike.

The texts in dumped_cases.json were written by `dump` and read back by sigs.k8s.io/yaml 1.6.0 (with go.yaml.in/yaml/v2 2.4.4).
"""

import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mesh_injector import documents
from mesh_injector.documents import goyaml

CASES = json.loads((Path(__file__).parent / "dumped_cases.json").read_text("utf-8"))["cases"]
YAML_1_2 = re.compile(
    r"null|Null|NULL|~|true|True|TRUE|false|False|FALSE|[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN|"
)
"""What the core schema of YAML 1.2 takes for something else than text (chapter 10.3.2)."""

nasty = st.text(st.sampled_from("ynoYNeE0179.+-_:x#=<~ \t\n'\"|>*&!%@`?,[]{}\\\r\x00\x85\u2028\ufeffé😀")) | st.text()
words = st.sampled_from([case["yaml"].partition(": ")[0] for case in CASES]) | st.sampled_from(
    ["yes", "1e3", "012", "0o7", "1_000", "~", "", "2001-01-01", "=", "<<", "12:30:45", ".inf", "0x1f", "null", "a: b", "a #b", "---"]
)
strings = nasty | words
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not 2**53 < abs(number) < 1e21)
"""Go reads the floats between as whole numbers of their shortest digits, which a float cannot hold."""
scalars = strings | st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4), max_leaves=12)
bodies = st.dictionaries(strings, values, max_size=5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["yaml"][:40])
def test_what_dump_writes_is_what_go_read_back(case: dict[str, Any]) -> None:
    assert documents.dump(case["json"]) == case["yaml"]
    assert goyaml.load(case["yaml"]).value == case["json"]


@given(bodies)
def test_what_was_dumped_parses_to_the_same_object(body: dict[str, Any]) -> None:
    body = {"apiVersion": "v1", "kind": "Pod"} | {key: body[key] for key in body if key not in ("apiVersion", "kind")}
    parsed = documents.parse(documents.dump(body), "f.yaml")
    assert parsed.problems == ()
    assert parsed.documents[0].body == body
    assert list(parsed.documents[0].body) == list(body)


@given(bodies)
def test_a_reader_of_all_of_yaml_1_1_reads_the_same(body: dict[str, Any]) -> None:
    assert yaml.safe_load(documents.dump(body)) == body


@given(strings)
def test_no_plain_text_is_something_else_in_yaml_1_2(text: str) -> None:
    written = documents.dump({"v": text}).removeprefix("v: ").removesuffix("\n")
    if written == text:
        assert not YAML_1_2.fullmatch(text)


def test_text_that_other_readings_take_for_something_else_is_quoted() -> None:
    for text in (
        "yes",
        "N",
        "off",
        "1e3",
        "012",
        "0o7",
        "1_000",
        "~",
        "",
        "2001-01-01",
        "=",
        "12:30:45",
        ".INF",
        "0x1f",
        "<<",
        "0b-1",
        "08",
    ):
        assert documents.dump({"v": text}) == f'v: "{text}"\n'
        assert documents.dump({text: 1}) == f'"{text}": 1\n'


def test_text_that_nobody_misreads_stays_plain() -> None:
    for text in (
        "nginx:1.25",
        "100m",
        "--port=1",
        "-c",
        "10.0.0.0/8",
        "a b",
        "$(VAR)",
        "http://x/?a=b#c",
        "été 😀",
        "1.2.3",
        "a,b",
        "/bin/sh",
    ):
        assert documents.dump({"v": text}) == f"v: {text}\n"


def test_the_shape_is_that_of_kubectl() -> None:
    body = {
        "kind": "Pod",
        "spec": {
            "containers": [{"name": "a", "args": ["-c", "x\ny\n"], "env": [], "resources": {}}, {"ports": [[1, 2], []]}],
            "nodeName": None,
        },
    }
    assert documents.dump(body) == (
        "kind: Pod\nspec:\n  containers:\n  - name: a\n    args:\n    - -c\n    - |\n      x\n      y\n    env: []\n    resources: {}\n"
        "  - ports:\n    - - 1\n      - 2\n    - []\n  nodeName: null\n"
    )


def test_the_same_object_twice_is_written_twice() -> None:
    shared = {"a": [1]}
    assert documents.dump({"b": shared, "c": shared}) == "b:\n  a:\n  - 1\nc:\n  a:\n  - 1\n"


def test_long_lines_are_not_folded() -> None:
    text = "word " * 100 + "end"
    assert documents.dump({"v": text}) == f"v: {text}\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nb", "|-\n  a\n  b\n"),
        ("a\nb\n", "|\n  a\n  b\n"),
        ("a\n\n", "|+\n  a\n\n"),
        ("\na", "|-\n\n  a\n"),
        (" a\nb\n", "|2\n   a\n  b\n"),
        ("\ta\nb ", "|2-\n  \ta\n  b \n"),
        ("\n", '"\\n"\n'),
        ("a\rb\n", '"a\\rb\\n"\n'),
        ("a\nb\u2028", '"a\\nb\\u2028"\n'),
    ],
)
def test_text_of_several_lines_is_a_literal_block_where_that_is_possible(text: str, written: str) -> None:
    assert documents.dump({"v": text}) == f"v: {written}"


def test_what_cannot_be_printed_is_escaped() -> None:
    assert documents.dump({"v": "\x1b[0m\x7f\ufeff\U000e0001"}) == 'v: "\\u001b[0m\\u007f\\ufeff\\U000e0001"\n'
    assert documents.dump({"v": "half \ud800"}) == 'v: "half \\ufffd"\n'


def test_floats_have_a_point_so_that_yaml_1_1_sees_a_number() -> None:
    assert documents.dump([1e22, 1.5e-07, 2.0]) == "- 1.0e+22\n- 1.5e-07\n- 2.0\n"


def test_empty_things_and_other_mappings_and_tuples_are_written() -> None:
    assert documents.dump({}) == "{}\n"
    assert documents.dump([]) == "[]\n"
    assert documents.dump(MappingProxyType({"a": (1, ())})) == "a:\n- 1\n- []\n"


def test_a_key_too_long_for_one_line_is_marked() -> None:
    assert documents.dump({"k" * 1001: {"a": 1}}) == f"? {'k' * 1001}\n:\n  a: 1\n"


@pytest.mark.parametrize("value", [{"a": {1}}, {1: "a"}, {"a": b"x"}, {"a": object()}])
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        documents.dump(value)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON has no"):
        documents.dump({"a": number})
