"""What is not there: optional by `default`, `get` and `is defined`, otherwise an error with the line and the nearest name."""

from typing import Any

import pytest

from mesh_injector.reasons import Reason

POD: dict[str, Any] = {
    "metadata": {"name": "cart", "labels": {"app": "cart"}},
    "spec": {"hostNetwork": None, "containers": [{"name": "a"}]},
}

OPTIONAL = {
    "pod.metadata.annotations.x|default('y')": "y",
    "pod.metadata.annotations['a/b']|default('y')": "y",
    "pod.metadata.annotations|get('x', 'y')": "y",
    "pod.metadata.labels|get('app', 'y')": "cart",
    "pod.metadata.labels|get('x')": None,
    "pod.spec.hostNetwork.deeper|default('y')": "y",
    "pod.spec.hostNetwork|default('y')": None,
    "pod.spec.hostNetwork|default('y', true)": "y",
    "pod.spec.hostNetwork|get('x', 'y')": "y",
    "pod.spec.containers[3].name|default('y')": "y",
    "pod.spec.containers[0].name|default('y')": "a",
    "pod.spec.containers[-1].name": "a",
    "pod.spec.containers['0']|default('y')": "y",
    "pod.spec.containers[true]|default('y')": "y",
    "pod.metadata[0]|default('y')": "y",
    "pod.metadata.name.first|default('y')": "y",
    "pod.metadata.name[0]": "c",
    "pod.metadata.annotations is defined": False,
    "pod.metadata.annotations.x is undefined": True,
    "pod.metadata.annotations.x is none": False,
    "pod.metadata.annotations|items|list": [],
    "[]|first|default('y')": "y",
    "[]|last|default('y')": "y",
    "[]|min|default('y')": "y",
    "[]|max|default('y')": "y",
    "[{}, {'a': 1}]|map(attribute='a', default=0)|list": [0, 1],
    "[{}, {'a': 1}]|selectattr('a')|list|length": 1,
    "region|default('y')": "y",
    "'b' in (values.list|default(['b']))": True,
}


@pytest.mark.parametrize(("expression", "expected"), OPTIONAL.items())
def test_what_is_optional_may_be_absent(value: Any, expression: str, expected: object) -> None:
    assert value(expression, pod=POD, values={}) == expected


ABSENT = {
    "pod.metadata.annotations": ("`pod.metadata.annotations` is not defined", "there are `labels`, `name`"),
    "pod.metadata.annotations.x": ("`pod.metadata.annotations` is not defined", "there are `labels`, `name`"),
    "pod.metadata.label.app": ("`pod.metadata.label` is not defined", "did you mean `labels`?"),
    "pod.metadata.labels['ap']": ("`pod.metadata.labels.ap` is not defined", "did you mean `app`?"),
    "pod.metadata.labels.tier": (
        "`pod.metadata.labels.tier` is not defined",
        "there are `app`, or `|get('tier', '...')` where it may be missing",
    ),
    "pod.metadata.labels['a/b']": ("`pod.metadata.labels['a/b']` is not defined", "there are `app`, or `|get('a/b', '...')` where it may"),
    "pod.metadata[0]": ("`0 of a mapping` is not defined", "use `default` or `is defined` where it is optional"),
    "pod.metadata[['a']]": ("`a list of a mapping` is not defined", "use `default`"),
    "pod.spec.containers[1]": ("`position 1 of a list of 1` is not defined", "use `default`"),
    "pod.spec.containers.name": ("`pod.spec.containers.name` is not defined (name of a list)", "use `default`"),
    "pod.spec.hostNetwork.x": ("`pod.spec.hostNetwork.x` is not defined (x of null)", "use `default`"),
    "pod.metadata.name.__class__": ("`pod.metadata.name.__class__` is not defined (__class__ of a text)", "use `default`"),
    "values.x.y": ("`values.x` is not defined", "use `default` or `is defined` where it is optional"),
    "'a' ~ values.x": ("`values.x` is not defined", ""),
    "values.x|lower": ("`values.x` is not defined", ""),
    "values.x|length": ("`values.x` is not defined", ""),
    "values.x|join": ("`values.x` is not defined", ""),
    "values.x|int(0)": ("`values.x` is not defined", ""),
    "values.x|tojson": ("`values.x` is not defined", ""),
    "[values.x]": ("`values.x` is not defined", ""),
    "{'a': values.x}": ("`values.x` is not defined", ""),
    "{values.x: 1}": ("`values.x` is not defined", ""),
    "values.x + 1": ("`values.x` is not defined", ""),
    "1 + values.x": ("`values.x` is not defined", ""),
    "-values.x": ("`values.x` is not defined", ""),
    "range(values.x)": ("`values.x` is not defined", ""),
    "values.x[1:]": ("`values.x` is not defined", ""),
    "values.x == 1": ("`values.x` is not defined", ""),
    "1 == values.x": ("`values.x` is not defined", ""),
    "1 in values.x": ("`values.x` is not defined", ""),
    "values.x in [1]": ("`values.x` is not defined", ""),
    "values.x in values": ("`values.x` is not defined", ""),
    "values.x is odd": ("`values.x` is not defined", ""),
    "values.x or 1": ("`values.x` is not defined", ""),
    "not values.x": ("`values.x` is not defined", ""),
    "1 if values.x else 2": ("`values.x` is not defined", ""),
    "[{}]|map(attribute='a')|list": ("`a` is not defined", ""),
    "[{}]|map(attribute='a')|sort": ("`a` is not defined", ""),
    "[{}]|map(attribute='a')|sum": ("`sum` of what are not all numbers", ""),
    "[]|first": ("`the first item of an empty list` is not defined", ""),
    "[]|max": ("`the largest of an empty list` is not defined", ""),
    "region": ("`region` is not defined", "use `default` or `is defined` where it is optional"),
}


@pytest.mark.parametrize(("expression", "what", "fix"), [(expression, *told) for expression, told in ABSENT.items()])
def test_what_is_absent_and_used_is_an_error_with_its_line(refuse: Any, expression: str, what: str, fix: str) -> None:
    error = refuse(f"spec:\n  a: {{{{ {expression} }}}}", pod=POD, values={})
    assert error.problem.what == what
    assert fix in error.problem.fix
    assert error.problem.where.startswith("the template, line 2, column ")
    if "`sum`" not in what:
        assert error.reason is Reason.UNDEFINED_VARIABLE


@pytest.mark.parametrize("statement", ["{% for a in values.x %}{% endfor %}", "{% if values.x %}{% endif %}"])
def test_what_is_absent_and_used_in_a_statement_is_an_error(refuse: Any, statement: str) -> None:
    error = refuse(f"a: 1\n{statement}", values={"xx": 1})
    assert (error.reason, error.problem.fix) == (Reason.UNDEFINED_VARIABLE, "did you mean `xx`?")
    assert "line 2" in error.problem.where


def test_a_set_name_of_a_branch_that_was_not_taken_is_undefined(refuse: Any) -> None:
    error = refuse("{% if values.a %}{% set x = 1 %}{% endif %}\na: {{ x }}", values={"a": False})
    assert (error.reason, error.problem.what) == (Reason.UNDEFINED_VARIABLE, "`x` is not defined")


def test_hostile_keys_of_a_mapping_are_not_drawn_in_a_message(refuse: Any) -> None:
    error = refuse("a: {{ values.x }}", values={"y\n\x1b[2J": 1, "k" * 100_000: 2})
    assert error.problem.fix == "there are `y··[2J`"
