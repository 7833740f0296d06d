"""YAML is read as kubectl reads it.

The table go_yaml_cases.json was answered by sigs.k8s.io/yaml 1.6.0 (which reads with go.yaml.in/yaml/v2 2.4.4); the file names the
versions itself and scripts/go_yaml_cases lets the library answer anew.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector.documents import goyaml, scalar
from mesh_injector.documents.mistakes import Misread, explained

CASES = json.loads((Path(__file__).parent / "go_yaml_cases.json").read_text("utf-8"))["cases"]
DROPPED_IN_SILENCE = ('"a":1\n', '{"a": 1}\n{"b": 2}\n')
READ_BY_NEWER_LIBRARIES = {'v: {"a": "\\/"}\n'}


def typed(value: Any) -> str:
    """JSON with floats told from whole numbers, which Python calls equal, and keys in one order."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["yaml"][:40])
def test_a_text_means_what_it_means_to_go(case: dict[str, Any]) -> None:
    text = case["yaml"]
    if "json" in case and text not in DROPPED_IN_SILENCE:
        assert typed(goyaml.load(text).value) == typed(case["json"])
    elif text in READ_BY_NEWER_LIBRARIES:
        assert goyaml.load(text).value == {"v": {"a": "/"}}
    else:
        with pytest.raises(Misread):
            goyaml.load(text)


def test_the_table_is_large_and_has_both_kinds_of_answers() -> None:
    assert sum("json" in case for case in CASES) > 400
    assert sum("error" in case for case in CASES) > 80


@pytest.mark.parametrize("text", [*DROPPED_IN_SILENCE, "a: 1\n...\nb: 2\n", "a: 1\n---\nb: 2\n"])
def test_text_that_go_drops_in_silence_is_refused(text: str) -> None:
    with pytest.raises(Misread, match="text after the end"):
        goyaml.load(text)


def test_equal_keys_are_refused_also_when_they_are_written_differently() -> None:
    with pytest.raises(Misread, match="the key `true` stands twice") as caught:
        goyaml.load("yes: 1\nb: 2\n'true': 3\n")
    assert (caught.value.earlier, caught.value.index) == (0, 12)


def test_a_merge_and_an_alias_share_nothing_with_their_anchor() -> None:
    value = goyaml.load("a: &a {x: [1]}\nb: *a\nc: {<<: *a}\n").value
    value["b"]["x"].append(2)
    value["c"]["x"].append(3)
    assert value["a"] == {"x": [1]}


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    with pytest.raises(Misread, match="more than 1,000,000 values"):
        goyaml.load("\n".join(lines))


def test_a_bomb_of_merges_is_refused_too() -> None:
    lines = ["a0: &a0 {x: [" + "1," * 5000 + "]}"]
    lines += [f"a{n}: &a{n} {{x{n}: {{<<: *a0}}}}" for n in range(1, 300)]
    with pytest.raises(Misread, match="more than 1,000,000 values"):
        goyaml.load("\n".join(lines))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_a_text_may_be_200_levels_deep_and_no_deeper(opening: str, closing: str) -> None:
    assert goyaml.load(opening * 200 + "x" + closing * 200).index == 0
    with pytest.raises(Misread, match="more than 200 lists and mappings"):
        goyaml.load(opening * 201 + "x" + closing * 201)


def test_depth_behind_aliases_counts_as_if_it_were_written_out() -> None:
    text = "a: &a " + "[" * 150 + "]" * 150 + "\nb: " + "[" * 60 + "*a" + "]" * 60
    with pytest.raises(Misread, match="more than 200 lists and mappings"):
        goyaml.load(text)


def test_a_text_of_a_hundred_thousand_brackets_is_refused_at_once() -> None:
    with pytest.raises(Misread, match="inside each other"):
        goyaml.load("[" * 100_000)


@pytest.mark.parametrize("tag", ["bool", "int", "float", "null", "timestamp", "binary"])
def test_text_that_is_not_of_its_tags_type_is_told_at_its_place(tag: str) -> None:
    with pytest.raises(Misread) as caught:
        goyaml.load(f"a: !!{tag} 'x.'")
    assert caught.value.index == 3
    assert "tag" in caught.value.fix or "tag" in caught.value.what


def test_a_float_key_has_the_shortest_text_of_32_bits() -> None:
    assert [scalar.key(number) for number in (1.10, 1e6, 123456.0, 16777217.0, 1e-5, -1e300)] == [
        "1.1",
        "1e+06",
        "123456",
        "1.6777216e+07",
        "1e-05",
        "-.inf",
    ]


def test_an_error_without_a_place_is_told_as_it_is() -> None:
    assert explained(yaml.YAMLError("odd"), "x").what == "odd"
