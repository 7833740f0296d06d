"""Selectors: Kubernetes' exact meaning, the sentence of a mismatch, and what is wrong with one."""

from typing import Any

import pytest

from mesh_injector.engine import selector
from mesh_injector.engine.selector import Mismatch, Requirement, Selector


def expression(operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "app", "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    "body",
    [{}, {"matchLabels": {}}, {"matchExpressions": []}, {"matchLabels": None, "matchExpressions": None}],
)
def test_an_empty_selector_selects_everything(body: dict[str, Any]) -> None:
    parsed = selector.parse(body)
    assert (parsed.mismatch({}), parsed.mismatch({"app": "x"}), str(parsed), parsed.keys) == (None, None, "everything", frozenset())


@pytest.mark.parametrize(
    ("body", "labels", "selected"),
    [
        ({"matchLabels": {"app": "cart"}}, {"app": "cart"}, True),
        ({"matchLabels": {"app": "cart"}}, {"app": "shop"}, False),
        ({"matchLabels": {"app": "cart"}}, {}, False),
        ({"matchLabels": {"app": ""}}, {"app": ""}, True),
        ({"matchLabels": {"app": ""}}, {}, False),
        ({"matchLabels": {"app": "cart", "tier": "web"}}, {"app": "cart"}, False),
        (expression("In", "a", "b"), {"app": "b"}, True),
        (expression("In", "a", "b"), {"app": "c"}, False),
        (expression("In", "a", "b"), {}, False),
        (expression("NotIn", "a"), {"app": "b"}, True),
        (expression("NotIn", "a"), {"app": "a"}, False),
        (expression("NotIn", "a"), {}, True),
        (expression("Exists"), {"app": ""}, True),
        (expression("Exists"), {}, False),
        (expression("DoesNotExist"), {}, True),
        (expression("DoesNotExist"), {"app": ""}, False),
        ({"matchLabels": {"tier": "web"}, **expression("Exists")}, {"tier": "web", "app": "x"}, True),
        ({"matchLabels": {"tier": "web"}, **expression("Exists")}, {"tier": "web"}, False),
    ],
)
def test_a_selector_means_what_it_means_to_kubernetes(body: dict[str, Any], labels: dict[str, str], selected: bool) -> None:
    assert (selector.parse(body).mismatch(labels) is None) is selected


def test_null_values_are_no_values() -> None:
    parsed = selector.parse({"matchExpressions": [{"key": "app", "operator": "Exists", "values": None}]})
    assert parsed.requirements == (Requirement("app", "Exists"),)


@pytest.mark.parametrize(
    ("body", "labels", "sentence"),
    [
        ({"matchLabels": {"app": "cart"}}, {"app": "shop"}, "wants app=cart, found 'shop'"),
        (expression("In", "a", "b"), {}, "wants app in (a, b), found no such label"),
        (expression("NotIn", "a"), {"app": "a"}, "wants app not in (a), found 'a'"),
        (expression("Exists"), {}, "wants app exists, found no such label"),
        (expression("DoesNotExist"), {"app": ""}, "wants app does not exist, found ''"),
    ],
)
def test_a_mismatch_says_what_was_wanted_and_what_was_found(body: dict[str, Any], labels: dict[str, str], sentence: str) -> None:
    assert str(selector.parse(body).mismatch(labels)) == sentence


def test_the_first_requirement_that_fails_is_named_and_labels_come_in_their_order() -> None:
    parsed = selector.parse({"matchLabels": {"b": "1", "a": "1"}})
    assert parsed.mismatch({}) == Mismatch(Requirement("a", "In", ("1",)), None)
    assert (str(parsed), parsed.keys) == ("a=1, b=1", frozenset({"a", "b"}))
    assert parsed == Selector((Requirement("a", "In", ("1",)), Requirement("b", "In", ("1",))))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"matchLabel": {}}, "`matchLabel` is no part of a selector"),
        ({"matchLabels": []}, "`matchLabels` must be a mapping"),
        ({"matchExpressions": {}}, "`matchExpressions` must be a list"),
        ({"matchLabels": {"-app": "x"}}, "'-app' in `matchLabels` is no label key"),
        ({"matchLabels": {"app": 5}}, "`matchLabels` holds a value of `app` that is no label value"),
        ({"matchLabels": {"app": None}}, "`matchLabels` holds a value of `app` that is no label value"),
        ({"matchLabels": {"app": "a b"}}, "that is no label value"),
        ({"matchExpressions": ["app"]}, r"`matchExpressions\[0\]` must have `key`, `operator` and `values`"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "value": "x"}]}, "and nothing else"),
        ({"matchExpressions": [{"operator": "Exists"}]}, "None in .* is no label key"),
        ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}, "operator 'Gt' .* is none of In, NotIn, Exists"),
        ({"matchExpressions": [{"key": "a", "operator": []}]}, r"operator \[\] "),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "operator In .* needs at least one value"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]}, "operator NotIn .* needs at least one value"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}, "operator Exists .* takes no values"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": "x"}]}, "that is no label value"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ""}]}, "that is no label value"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": False}]}, "that is no label value"),
    ],
)
def test_what_is_wrong_with_a_selector_is_told(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selector.parse(body)


@pytest.mark.parametrize("key", ["a", "A.b_c-d", "a/b", "example.com/Name", f"{'a' * 253}/b", "a" * 63])
def test_a_qualified_name_is_a_label_key(key: str) -> None:
    assert selector.is_label_key(key)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a/b/c", "A/b", "-a", "a-", "a b", "a\n", f"{'a' * 254}/b", "a" * 64, "a..b/c", "ä"])
def test_what_is_no_qualified_name_is_no_label_key(key: str) -> None:
    assert not selector.is_label_key(key)


@pytest.mark.parametrize(
    ("value", "answer"), [("", True), ("a", True), ("1.10", True), ("a" * 63, True), ("a" * 64, False), ("a\n", False), ("-", False)]
)
def test_a_label_value_may_be_empty_and_has_at_most_63_characters(value: str, answer: bool) -> None:
    assert selector.is_label_value(value) is answer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "everything"),
        (" ", "everything"),
        ("app=web", "app=web"),
        ("app==web", "app=web"),
        ("app = web , tier", "app=web, tier exists"),
        ("app!=web", "app not in (web)"),
        ("app=", "app="),
        ("!app", "app does not exist"),
        ("app in (a, b),example.com/x notin (c)", "app in (a, b), example.com/x not in (c)"),
    ],
)
def test_a_selector_is_read_as_kubectl_takes_it(text: str, told: str) -> None:
    assert str(selector.parse_text(text)) == told


@pytest.mark.parametrize(
    "text", ["=web", "app=web=x", "app in a", "app in (a", "app web", ",", "!app=web", "!app in (a)", "-app", "app=a b", "a>1"]
)
def test_what_kubectl_would_not_take_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no requirement; write|is no label key"):
        selector.parse_text(text)


def requirement(**members: Any) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "In", "values": ["b"], **members}]}


@pytest.mark.parametrize(
    ("body", "path", "fix"),
    [
        ({"matchLabels": {"app": "no value"}}, ("matchLabels", "app"), "correct the selector"),
        ({"matchLabels": {"-": "x"}}, ("matchLabels", "-"), "write `name` or `prefix/name`"),
        ({"matchLabels": {"a": "x", 1: "y"}}, ("matchLabels", 1), "write `name` or `prefix/name`"),
        ({"matchLabels": []}, ("matchLabels",), "write a mapping, `{key: value}`"),
        ({"matchExpressions": {}}, ("matchExpressions",), "write a list, with `- ` before each item"),
        (requirement(operator="in"), ("matchExpressions", 1, "operator"), "did you mean `In`?"),
        (requirement(operator="Gt"), ("matchExpressions", 1, "operator"), "write one of them"),
        (requirement(operator="Exists"), ("matchExpressions", 1), "leave out `values`"),
        (requirement(values=[]), ("matchExpressions", 1), "write `values: [a]`"),
        ({"MatchLabel": {}}, ("MatchLabel",), "did you mean `matchLabels`?"),
        ({"matchExpression": []}, ("matchExpression",), "did you mean `matchExpressions`?"),
        ({"app": "x"}, ("app",), "write `matchLabels: {app: …}`"),
    ],
)
def test_what_is_wrong_with_a_selector_is_told_with_its_place_and_how_to_fix_it(body: dict[str, Any], path: Any, fix: str) -> None:
    with pytest.raises(selector.Unusable) as caught:
        selector.parse(body)
    assert (caught.value.path, caught.value.fix) == (path, fix)


def test_a_requirement_of_the_command_line_that_is_wrong_is_told_by_its_flag() -> None:
    with pytest.raises(ValueError, match="'-app' in `-l` is no label key"):
        selector.parse_text("app,-app")
