import inspect
import sys
from typing import Any

import pytest

from mesh_injector.engine.template.filters import FILTERS
from mesh_injector.engine.template.trials import TESTS
from mesh_injector.reasons import Reason

DATA: dict[str, Any] = {
    "name": "Cart",
    "nothing": None,
    "empty": "",
    "ports": [8080, 9090, 8080],
    "labels": {"b": "2", "a": "1", "items": "x"},
    "people": [{"name": "b", "on": True, "age": 3}, {"name": "A", "on": False, "age": 20}, {"name": "c"}],
    "deep": [{"meta": {"name": "x"}}, {"meta": {"name": "y"}}],
    "whole": 8080.0,
}

EXAMPLES = {
    "values.nope|default('x')": "x",
    "values.nope|default": "",
    "values.empty|default('x')": "",
    "values.empty|default('x', true)": "x",
    "values.nothing|d('x', boolean=true)": "x",
    "values.name|lower": "cart",
    "values.name|upper": "CART",
    "8080|upper": "8080",
    "'  a '|trim": "a",
    "'--a-'|trim('-')": "a",
    "'1a1'|trim(1)": "a",
    "'a.b.c'|replace('.', '-')": "a-b-c",
    "'a.b.c'|replace('.', '-', 1)": "a-b.c",
    "'ab'|replace('', '-')": "-a-b-",
    "8080|replace(80, 90)": "9090",
    "'a,b'|split(',')": ["a", "b"],
    "'a  b'|split": ["a", "b"],
    "'a,b,c'|split(',', 1)": ["a", "b,c"],
    "values.ports|join(',')": "8080,9090,8080",
    "values.labels|join": "baitems",
    "values.people|join('/', attribute='name')": "b/A/c",
    "[true, 1.5, 'a']|join(' ')": "true 1.5 a",
    "[]|join(',')": "",
    "values.ports|first": 8080,
    "values.labels|first": "b",
    "values.ports|last": 8080,
    "'abc'|last": "c",
    "values.ports|length": 3,
    "values.labels|length": 3,
    "values.name|length": 4,
    "' 12 '|int": 12,
    "'x'|int(0)": 0,
    "3.9|int": 3,
    "true|int": 1,
    "'1.5'|float": 1.5,
    "'x'|float(0.5)": 0.5,
    "2|float": 2.0,
    "'yes'|bool": True,
    "' Off '|bool": False,
    "''|bool": False,
    "0|bool": False,
    "true|bool": True,
    "values.nothing|bool": False,
    "8080|string": "8080",
    "8080|quote": "8080",
    "'a'|quote": "a",
    "'abc'|list": ["a", "b", "c"],
    "values.labels|list": ["b", "a", "items"],
    "['A', 'B']|map('lower')": ["a", "b"],
    "['A', 'B']|map(name='lower')": ["a", "b"],
    "['a-b', 'c']|map('replace', '-', '_')": ["a_b", "c"],
    "values.deep|map(attribute='meta.name')": ["x", "y"],
    "[[1, 2], [3, 4]]|map(attribute=1)": [2, 4],
    "values.people|map(attribute='age', default=0)": [3, 20, 0],
    "[0, 1, 2, 3]|select('odd')": [1, 3],
    "[true, 1, false, 0, '', 'x', none]|select": [True, 1, "x"],
    "[1, 2, 3]|select('gt', 1)": [2, 3],
    "['a', 'b']|select('in', ['b'])": ["b"],
    "[0, 1, 2, 3]|reject('odd')": [0, 2],
    "[true, 1, false, 0, '', 'x', none]|reject": [False, 0, "", None],
    "values.people|selectattr('on', 'true')|map(attribute='name')": ["b"],
    "values.people|selectattr('age')|map(attribute='name')": ["b", "A"],
    "values.people|rejectattr('age')|map(attribute='name')": ["c"],
    "values.people|rejectattr('name', 'eq', 'b')|map(attribute='name')": ["A", "c"],
    "['b', 'A', 'c']|sort": ["A", "b", "c"],
    "['b', 'A', 'c']|sort(case_sensitive=true)": ["A", "b", "c"],
    "['b', 'A', 'a']|sort(true)": ["b", "A", "a"],
    "values.people|sort(attribute='name')|map(attribute='name')": ["A", "b", "c"],
    "[3, 1.5, 2]|sort": [1.5, 2, 3],
    "values.ports|unique": [8080, 9090],
    "['a', 'A', 'b']|unique": ["a", "b"],
    "['a', 'A', 'b']|unique(true)": ["a", "A", "b"],
    "[1, true, 1.0, '1', none, none]|unique": [1, True, 1.0, "1", None],
    "values.labels|items": [["b", "2"], ["a", "1"], ["items", "x"]],
    "values.nothing|items": [],
    "values.labels|dictsort|map('first')": ["a", "b", "items"],
    "values.labels|dictsort(by='value', reverse=true)|map('last')": ["x", "2", "1"],
    "values.ports|min": 8080,
    "values.ports|max": 9090,
    "['b', 'A']|min": "A",
    "['b', 'A', 'a']|max(true)": "b",
    "values.people|selectattr('age')|max(attribute='age')|get('name')": "A",
    "values.ports|sum": 25250,
    "values.ports|sum(start=1)": 25251,
    "values.people|selectattr('age')|sum('age')": 23,
    "1.234|round(2)": 1.23,
    "1.6|round": 2,
    "values.labels|get('a')": "1",
    "values.labels|get('z', 'y')": "y",
    "values.ports|get(1)": 9090,
    "values.name|startswith('Ca')": True,
    "8080|startswith(80)": True,
    "values.name|endswith('x')": False,
    "values.ports|csv": "8080,9090,8080",
    "'a'|sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
    "'Kart_1.shop'|dns_label": "kart-1-shop",
    "('x' ~ 'é')|dns_label": "x",
    "'a b'|shell": "'a b'",
    "'$(reboot)'|shell": "'$(reboot)'",
    "'it''s'|shell": "its",
    "['a', {'b': 1}]|tojson": ["a", {"b": 1}],
    "['a', {'b': 1}]|toyaml": ["a", {"b": 1}],
    "values.ports|tojson|tojson": [8080, 9090, 8080],
    "'x' ~ values.labels|tojson": 'x{"a":"1","b":"2","items":"x"}',
    "'x' ~ [values.whole, 0.5, none, 'é']|tojson": 'x[8080,0.5,null,"é"]',
    "'x' ~ [[1]|tojson]|tojson": "x[[1]]",
    "values.labels.items": "x",
    "values.labels['items']": "x",
    "'a' ~ 1 ~ true ~ 1.50 ~ values.whole": "a1true1.58080",
    "[1, 2, 3][1:]": [2, 3],
    "'abc'[:-1]": "ab",
    "[1, 2, 3][::2]": [1, 3],
    "(1, 2)": [1, 2],
    "1, 2": [1, 2],
    "{'a': 1, 'b': [true, none]}": {"a": 1, "b": [True, None]},
    "{8080: 1}": {"8080": 1},
    "7 // 2": 3,
    "7 / 2": 3.5,
    "7 % 4 - 1 * 2": 1,
    "-values.ports[0]": -8080,
    "+3": 3,
    "2 ** 10": 1024,
    "1 < 2 <= 2": True,
    "3 > 2 >= 3": False,
    "1 != 2 and 'a' not in 'bcd'": True,
    "'a' in values.labels": True,
    "8080 in values.ports": True,
    "values.ports == [8080, 9090, 8080]": True,
    "1 if values.name == 'Cart' else 2": 1,
    "not true": False,
    "values.empty or 'x'": "x",
    "range(3)": [0, 1, 2],
    "range(3, 0, -1)": [3, 2, 1],
    "range(5, 3)": [],
}


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES.items())
def test_an_expression_gives_a_value(value: Any, expression: str, expected: object) -> None:
    found = value(expression, values=DATA)
    assert (found, type(found)) == (expected, type(expected))


def test_every_filter_has_an_example() -> None:
    assert {name for name in FILTERS if not any(f"|{name}" in expression for expression in EXAMPLES)} == set()


TRUE = (
    "values.name is defined",
    "values.nope is undefined",
    "values.nothing is none",
    "true is true",
    "false is false",
    "true is boolean",
    "1 is number",
    "true is not number",
    "1 is integer",
    "1.0 is not integer",
    "1.5 is float",
    "'a' is string",
    "values is mapping",
    "values.ports is sequence",
    "'a' is not sequence",
    "3 is odd",
    "4 is even",
    "9 is divisibleby 3",
    "9 is divisibleby(3)",
    "1 is in [1]",
    "'a' is in values.labels",
    "1 is eq 1",
    "1 is equalto(1)",
    "1 is ne 2",
    "1 is lt 2",
    "1 is le 1",
    "2 is gt 1",
    "2 is ge 2",
    "'b' is not in 'ac'",
)


@pytest.mark.parametrize("expression", TRUE)
def test_a_test_answers_yes(value: Any, expression: str) -> None:
    assert value(expression, values=DATA) is True


def test_every_test_has_an_example() -> None:
    symbols = {"==", "!=", "<", "<=", ">", ">="}
    assert {name for name in TESTS if not any(f" {name}" in expression for expression in TRUE)} == symbols


@pytest.mark.parametrize(("symbol", "expected"), {"==": [2], "!=": [1, 3], "<": [1], "<=": [1, 2], ">": [3], ">=": [2, 3]}.items())
def test_select_knows_the_symbols_of_the_comparisons(value: Any, symbol: str, expected: list[int]) -> None:
    assert value(f"[1, 2, 3]|select('{symbol}', 2)") == expected


MISUSED = {
    "'x'|int": "'x' is no whole number",
    "('9' * 1)|int": "`*` works on numbers, not on a text",
    "'99999999999999999999999999999999999999999'|int": "'9999999999999999999999999999999999999999' is no whole number",
    "'1.5.5'|float": "'1.5.5' is no number",
    "'maybe'|bool": "'maybe' is no boolean",
    "values.nothing|lower": "null stands inside text",
    "values.ports|lower": "a list stands inside text",
    "[values.ports]|join": "a list stands inside text",
    "1|length": "a number where a list is needed",
    "values.nothing|first": "null where a list is needed",
    "1|items": "`items` of a number",
    "values.labels|dictsort(by='size')": "`dictsort` by 'size'",
    "[1, 'a']|sort": "a number and a text cannot be sorted together",
    "[[1], [2]]|sort": "a list cannot be compared",
    "[{}]|unique": "a mapping cannot be compared",
    "[1|tojson]|max": "a structure cannot be compared",
    "[1, true]|sum": "`sum` of what are not all numbers",
    "['a']|sum": "`sum` of what are not all numbers",
    "'a'|round": "`round` of a text",
    "1.5|round(20)": "`round` of a number to 20 digits",
    "1.5|round('a')": "the filter `round` cannot work on a number",
    "'a'|split('')": "the filter `split` cannot work on a text: empty separator",
    "'…'|dns_label": "'…' has no letter or digit to make a DNS label of",
    "[1]|map(attribute=['a'])": "an attribute that is no name",
    "[1]|map(values.name)": "`map` of an unknown filter `Cart`",
    "[1]|map()": "`map` of an unknown filter `None`",
    "[1]|map(['lower'])": "the filter `map` cannot work on a list: unhashable",
    "[1]|select(values.name)": "an unknown test `Cart`",
    "'a'|replace('a', 'b', 'c')": "the filter `replace` cannot work on a text",
    "'a' is odd": "`odd` works on numbers, not on a text",
    "'a' is even": "`even` works on numbers, not on a text",
    "'a' is divisibleby 3": "`divisibleby` works on numbers, not on a text",
    "3 is divisibleby 'a'": "`divisibleby` works on numbers, not on a text",
    "3 is divisibleby 0": "`divisibleby` 0",
    "true + 1": "`+` works on numbers, not on a boolean",
    "'a' + 'b'": "`+` works on numbers, not on a text",
    "[1] + [2]": "`+` works on numbers, not on a list",
    "-'a'": "`-` works on numbers, not on a text",
    "1 / 0": "`1 / 0`: division by zero",
    "1 // 0": "`1 // 0`: ",
    "0 ** -1": "`0 ** -1`: ",
    "9e18 ** 64": "`9e+18 ** 64`: ",
    "1 < 'a'": "a number cannot be compared with a text",
    "1 in 2": "a number cannot be in a number",
    "1 in 'a'": "a number cannot be in a text",
    "values.ports[::0]": "a slice that is not between whole numbers",
    "values.ports['a':]": "a slice that is not between whole numbers",
    "values.labels[1:]": "a slice of a mapping",
    "1[1:]": "a slice of a number",
    "range()": "`range` takes one to three whole numbers",
    "range(1, 2, 3, 4)": "`range` takes one to three whole numbers",
    "range(1.5)": "`range` takes one to three whole numbers",
    "range('3')": "`range` works on numbers, not on a text",
    "range(1, 2, 0)": "`range` with a step of 0",
    "{none: 1}": "null stands inside text",
    "{[1]: 1}": "a list stands inside text",
}


@pytest.mark.parametrize(("expression", "what"), MISUSED.items())
def test_a_misused_filter_or_operator_is_an_error_with_its_line(refuse: Any, expression: str, what: str) -> None:
    error = refuse(f"spec:\n  v: {{{{ {expression} }}}}", values=DATA)
    assert what in error.problem.what
    assert error.problem.where.startswith("the template, line 2")
    assert error.reason in {Reason.TEMPLATE_INVALID, Reason.RENDERED_INVALID_POD}


BOUNDS = {
    "2 ** 63": 2**63,
    "2 ** 64 - 1": "a number of more than 64 bits",
    "2 ** 65": "a power of more than 64 bits",
    "(-8) ** 0.5": "a number of more than 64 bits",
    "9223372036854775807 * 2": 2**64 - 2,
    "9223372036854775807 * 3": "a number of more than 64 bits",
    "-9223372036854775808 - 1": "a number of more than 64 bits",
    "1e308 * 10": "the output is a number that is not finite",
    "'x' ~ 1e308 * 10": "a number that is not finite has no text",
    "[1e308 * 10]": "the output is a number that is not finite",
    "{'a': 1e308 * 10}": "the output is a number that is not finite",
    "[1e308 * 10]|tojson": "the output is a number that is not finite",
    "range(10001)": "a range of more than 10,000 numbers",
    "-18446744073709551615": "the output is a number of more than 64 bits",
}


@pytest.mark.parametrize(("expression", "expected"), BOUNDS.items())
def test_arithmetic_stays_within_64_bits(value: Any, refuse: Any, expression: str, expected: object) -> None:
    if isinstance(expected, int):
        assert value(expression) == expected
    else:
        assert str(expected) in refuse(f"v: {{{{ {expression} }}}}").problem.what


def test_a_long_text_makes_a_label_that_a_hash_keeps_apart(value: Any) -> None:
    first, second = (value("values.long|dns_label", values={"long": "Cart." * 30 + end}) for end in "ab")
    assert len(first) == len(second) == 63
    assert first[:54] == second[:54] == ("cart-" * 11)[:54]
    assert first != second


LOOPS = {
    "{% for x in 'ab'|list %}{{ loop.index }}{{ x }}{{ '' if loop.last else ',' }}{% endfor %}": "1a,2b",
    "{% for x in [1] %}{{ loop.first }}{{ loop.last }}{{ loop.length }}{% endfor %}": "truetrue1",
    "{% for x in [] %}a{% else %}none{% endfor %}": "none",
    "{% for x in [1, 2, 3] if x is odd %}{{ x }}{{ loop.length }}{% endfor %}": "1232",
    "{% for k in values.labels %}{{ k }}{% endfor %}": "baitems",
    "{% for k, v in values.labels|items %}{{ k }}{{ v }}{% endfor %}": "b2a1itemsx",
    "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}": "123",
    "{% for x in [1, 2] %}{% for y in [3] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}": "1112",
    "{% set x = 1 %}{% for y in [2, 3] %}{% set x = y %}{{ x }}{% endfor %}{{ x }}": "231",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}x": "2x",
    "{% set x = 1 %}{% set x = x + 1 %}{{ x }}x": "2x",
    "{% if false %}a{% elif 1 == 1 %}b{% else %}c{% endif %}": "b",
    "{% raw %}{{ x }}{% endraw %}y": "{{ x }}y",
    "a{# {{ nothing }} #}b": "ab",
}


@pytest.mark.parametrize(("text", "expected"), LOOPS.items())
def test_statements_render(render: Any, text: str, expected: str) -> None:
    assert render(f"v: '{text}'", values=DATA) == {"v": expected}


@pytest.mark.parametrize(
    ("text", "what"),
    {
        "{% for x in 1 %}{% endfor %}": "a `for` loop over a number",
        "{% for x in 'abc' %}{% endfor %}": "a `for` loop over a text",
        "{% for x in none %}{% endfor %}": "a `for` loop over null",
        "{% for a, b in [1] %}{% endfor %}": "a loop over several names got an item of another length",
        "{% for a, b in [[1, 2, 3]] %}{% endfor %}": "a loop over several names got an item of another length",
    }.items(),
)
def test_a_loop_over_what_is_no_list_is_an_error_with_its_line(refuse: Any, text: str, what: str) -> None:
    error = refuse(f"a: 1\n{text}")
    assert what in error.problem.what
    assert "line 2" in error.problem.where


def test_a_rendering_that_needs_more_stack_than_is_left_is_an_error_with_its_line(refuse: Any) -> None:
    nested: Any = "x"
    for _ in range(60):
        nested = [nested]

    def refused_below(frames: int) -> Any:
        return refused_below(frames - 1) if frames else refuse("a: 1\nb: {{ values.nested|tojson }}", values={"nested": nested})

    error = refused_below(sys.getrecursionlimit() - len(inspect.stack(0)) - 80)
    assert "cannot be evaluated: maximum recursion depth exceeded" in error.problem.what
    assert ("line 2" in error.problem.where, error.problem.fix) == (True, "check the types of the values")
