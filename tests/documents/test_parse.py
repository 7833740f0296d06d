"""Text to documents: what is separated, what vanishes, and what is told about the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_injector import documents, reasons
from mesh_injector.errors import Problem

POD = "apiVersion: v1\nkind: Pod\n"


def read(text: str) -> tuple[documents.Document, ...]:
    parsed = documents.parse(text, "f.yaml")
    assert parsed.problems == ()
    return parsed.documents


def problem(text: str) -> Problem:
    parsed = documents.parse(text, "f.yaml")
    assert parsed.documents == ()
    (only,) = parsed.problems
    return only


def names(parsed: documents.Parsed) -> list[str]:
    return [document.name for document in parsed.documents]


def test_a_document_knows_its_kind_name_and_namespace() -> None:
    (pod,) = read("# hello\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\n")
    assert (pod.api_version, pod.kind, pod.name, pod.namespace) == ("v1", "Pod", "a", "b")
    assert pod.origin == documents.Origin("f.yaml", 2, 1)
    assert str(pod.origin) == "f.yaml:2:1"


@pytest.mark.parametrize("metadata", ["metadata: {name: 1, namespace: [b]}", "metadata: text", ""])
def test_names_that_are_absent_or_no_text_are_empty(metadata: str) -> None:
    (pod,) = read(POD + metadata)
    assert (pod.name, pod.namespace) == ("", "")


def test_documents_keep_their_text_with_comments_and_their_lines() -> None:
    first, second = read(f"# one\n{POD}# end\n--- # two\n\n{POD}x: 1\n")
    assert first.text == f"# one\n{POD}# end\n"
    assert second.text == f"\n{POD}x: 1\n"
    assert (first.origin.line, second.origin.line) == (2, 7)


def test_empty_documents_and_comments_vanish() -> None:
    assert read("") == ()
    assert len(read(f"---\n---\n# only this\n---\nnull\n---\n~\n---\n{POD}---\n---")) == 1


@pytest.mark.parametrize("text", ["\ufeff" + POD, f"---\n\ufeff{POD}", POD.replace("\n", "\r\n"), f"---\r\n{POD}---\r\n"])
def test_byte_order_marks_and_line_ends_of_windows_are_tolerated(text: str) -> None:
    assert read(text)[0].body == {"apiVersion": "v1", "kind": "Pod"}


def test_one_broken_document_leaves_the_others() -> None:
    parsed = documents.parse(f"{POD}metadata: {{name: a}}\n---\na: [1\n---\n{POD}metadata: {{name: b}}\n---\n- x\n", "dir/f.yaml")
    assert names(parsed) == ["a", "b"]
    assert [each.code for each in parsed.problems] == [reasons.NOT_YAML, reasons.NOT_A_MANIFEST]
    assert [each.where for each in parsed.problems] == ["dir/f.yaml:5:4", "dir/f.yaml:11:1"]


def test_text_on_the_separating_line_is_a_problem_as_it_is_for_kubectl() -> None:
    parsed = documents.parse(f"{POD}--- {{a: 1}}\n{POD}", "f.yaml")
    assert len(parsed.documents) == 2
    assert parsed.problems[0].where == "f.yaml:3:4"
    assert parsed.problems[0].excerpt == "  1 | apiVersion: v1\n  2 | kind: Pod\n  3 | --- {a: 1}\n    |    ^"


@pytest.mark.parametrize(
    ("text", "place", "what", "fix"),
    [
        ("a:\n\tb: 1\n", "2:1", "a tab", "spaces"),
        ("a: |\n  x\n\ty\n", "3:1", "a tab", "spaces"),
        ("a:\n  b 1\n  c: 2\n", "2:3", "without a colon", "key: value"),
        ("a:1\nb: 2\n", "1:1", "without a colon", "space after the colon"),
        ("a: 1\nfoo\nb: 2\n", "2:1", "without a colon", "key: value"),
        ("a: b: c\n", "1:5", "second colon", "in quotes"),
        ("a: 1\n  b: 2\n", "2:3", "deeper than the key above", "align"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "does not fit the mapping", "align"),
        ("x:\n    - a: 1\n     b: 2\n", "3:6", "neither an item", "align"),
        ('a: "x\nb: 1\n', "1:4", "never closed", "close the quote"),
        ("a: [1, 2\nb: 1\n", "1:4", "not closed", "close the bracket"),
        ("kind: Pod\nmetadata:\n  {{- if .Values.x }}\n  name: a\n", "3:3", "this is a template", "helm template"),
        ("a: {%- if x %}\n", "1:4", "this is a template", "render it first"),
        ("kind: Pod\noops: [\n", "3:1", "a bracket before it is not closed", "close the bracket"),
        ("a: {b: 1:}\n", "1:8", "a colon inside brackets", "in quotes"),
        ("a: *.example\n", "1:5", "alias or an anchor", "in quotes"),
        ("a: *x\n", "1:4", "`*x` has no anchor", "in quotes"),
        ("a: &x [*x]\n", "1:8", "`*x` contains itself", "in quotes"),
        ("a: - b\n", "1:4", "cannot begin on the line", "next line"),
        ("a: |x\n  b\n", "1:5", "on the line of `|`", "next line"),
        ("a: @x\n", "1:4", "cannot begin with `@`", "in quotes"),
        ('a: "\\d"\n', "1:5", "escape", "double the backslash"),
        ("a: {{ x }}\n", "1:5", "cannot be a key", "rendered first"),
        ("~: 1\n", "1:1", "null cannot be a key", "quotes"),
        ("<<: 1\n", "1:5", "merges only", "quotes"),
        ("a: .inf\n", "1:4", "JSON does not have", "quotes"),
        ("a: !e!x 1\n", "1:4", "undefined tag handle", ""),
        ("%YAML 1.2\n", "2:1", "after the end of the document", "---"),
        ("a: 1\n...\nb: 2\n", "3:1", "after the end of the document", "---"),
        ("a: é\x07\n", "1:5", "cannot be printed", "UTF-8"),
        ("a: 1\0\n", "1:5", "cannot be printed", "UTF-8"),
        ("a: \ud800\n", "1:4", "not Unicode", "UTF-8"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_how_to_fix_it(text: str, place: Any, what: str, fix: str) -> None:
    told = problem(text)
    assert told.code == reasons.NOT_YAML
    assert told.where == f"f.yaml:{place}"
    assert what in told.what
    assert fix in told.fix


def test_equal_keys_are_told_with_both_lines_of_the_file() -> None:
    told = problem(f"---\n---\n{POD}x: 1\nkind: Job\n")
    assert (told.code, told.where) == (reasons.NOT_YAML, "f.yaml:6:1")
    assert told.what == "the key `kind` stands twice in one mapping, on line 4 and on line 6"
    assert told.excerpt.splitlines()[-2:] == ["  6 | kind: Job", "    | ^"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- a\n", "a list is no Kubernetes object"),
        ("hello\n", "a single value is no Kubernetes object"),
        ("0\n", "a single value is no Kubernetes object"),
        ("{}\n", "needs `apiVersion` and `kind`"),
        ("kind: Pod\n", "needs `apiVersion` as"),
        ("apiVersion: v1\nkind: ''\n", "needs `kind`"),
        ("apiVersion: 1\nkind: Pod\n", "needs `apiVersion`"),
        ('{"kind": "Pod"}', "needs `apiVersion` as"),
    ],
)
def test_yaml_that_is_no_object_is_told(text: str, what: str) -> None:
    told = problem(f"# comment\n---\n{text}")
    assert (told.code, told.where) == (reasons.NOT_A_MANIFEST, "f.yaml:3:1")
    assert what in told.what
    assert "apiVersion: v1" in told.fix or "apiVersion:" in told.fix


def test_json_is_read_as_json() -> None:
    (pod,) = read('{"apiVersion": "v1", "kind": "Pod", "x": [1.0, "\\ud83d\\ude00", "a\\/b", null]}\n')
    assert json.dumps(pod.body["x"]) == json.dumps([1.0, "😀", "a/b", None])


def test_json_values_may_follow_each_other_and_yaml_may_follow_them() -> None:
    one = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s"}}'
    found = read(f"\n {one % 'a'}{one % 'b'}\n{one % 'c'}\n---\n{POD}---\n{one % 'd'}")
    assert [document.name for document in found] == ["a", "b", "c", "", "d"]
    assert [str(document.origin) for document in found] == ["f.yaml:2:2", "f.yaml:2:64", "f.yaml:3:1", "f.yaml:5:1", "f.yaml:8:1"]
    assert found[1].text == one % "b"
    assert str(found[1].locate(("metadata", "name"))) == f"f.yaml:2:{64 + (one % 'b').index(chr(34) + 'b' + chr(34))}"


def test_flow_yaml_that_only_looks_like_json_is_read_as_yaml() -> None:
    assert read('{apiVersion: v1, kind: Pod, x: yes}\n---\n{"apiVersion": "v1", "kind": "Pod",}')[0].body["x"] is True


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ('{"a": 1 "b": 2}', "1:9", "not JSON: expecting ',' delimiter"),
        ('{"apiVersion": "v1",\n "kind": "Pod"', "2:15", "not JSON"),
        ('{"a": 1,\n"a": 2}', "2:1", "`a` stands twice in one mapping, on line 1 and on line 2"),
        ('{"a": "\\ud800"}', "1:10", "this is not YAML"),
        ('{"a":' * 300 + "1" + "}" * 300, "1:1001", "more than 200 lists and mappings"),
        ('{"a":' * 100_000, "1:1001", "more than 200 lists and mappings"),
        ("{a: [}", "1:6", "a value is missing here"),
    ],
)
def test_json_that_cannot_be_read_is_told_with_its_place(text: str, place: Any, what: str) -> None:
    told = problem(text)
    assert (told.code, told.where) == (reasons.NOT_YAML, f"f.yaml:{place}")
    assert what in told.what


def test_json_before_broken_json_still_loads() -> None:
    parsed = documents.parse('{"apiVersion": "v1", "kind": "Pod"}\n{"apiVersion": ', "f.json")
    assert len(parsed.documents) == 1
    assert parsed.problems[0].where == "f.json:2:16"


@pytest.mark.parametrize(("number", "value"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "1e999"), ("010", 8)])
def test_numbers_that_json_does_not_have_are_read_as_kubectl_reads_them(number: str, value: Any) -> None:
    (pod,) = read(f'{{"apiVersion": "v1", "kind": "Pod", "x": {number}}}')
    assert pod.body["x"] == value


@given(st.text(st.sampled_from("a: -\n\t[]{},'\"|>&*!%#?@`~1\x00\ufeff\u2028é\r")))
def test_no_text_raises(text: str) -> None:
    parsed = documents.parse(text, "f.yaml")
    assert all(told.code in (reasons.NOT_YAML, reasons.NOT_A_MANIFEST) and told.excerpt for told in parsed.problems)


@given(st.text())
def test_no_unicode_raises(text: str) -> None:
    documents.parse(text, "f.yaml")


def test_many_wrong_separators_are_told_in_time_that_grows_with_their_number() -> None:
    """Not timed: with time that grows with the square of it, this would take a minute and more."""
    problems = documents.parse("--- x\n" * 50_000, "many.yaml").problems
    assert len(problems) == 50_000
    assert problems[-1].where == "many.yaml:50000:4"
    assert problems[-1].excerpt.splitlines()[0].strip() == "49998 | --- x"
