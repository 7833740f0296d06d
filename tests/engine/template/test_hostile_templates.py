"""Templates that try to get out of the language, or to take all the time or memory there is: each is cut by a count."""

import tracemalloc
from typing import Any

import pytest

from mesh_injector.engine.template import PatchTemplate, Source, bounds
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

INVALID, LIMIT, UNDEFINED = Reason.TEMPLATE_INVALID, Reason.RENDER_LIMIT, Reason.UNDEFINED_VARIABLE
NOT_YAML, NOT_A_POD = Reason.RENDERED_NOT_YAML, Reason.RENDERED_INVALID_POD
LONG = "x" * 250_000
VALUES: dict[str, Any] = {
    "long": LONG,
    "longest": "x" * 300_000,
    "almost": "x" * 249_999 + "y",
    "needle": "x" * 7_500 + "y" + "x" * 7_500,
    "hay": "x" * 29_999,
    "many": list(range(9_000)),
    "copy": list(range(9_000)),
    "texts": [LONG] * 5_000,
    "deep": {"a": {"b": {"c": [{"d": list(range(50))}] * 50}}},
    "quotes": "'" * 250_000,
    "zeros": "\0" * 250_000,
    "keys": {f"{number:04}{'k' * 20_000}": 1 for number in range(40)},
    "name": f"0000{'k' * 19_999}j",
}
for _level in range(200):
    VALUES["nested"] = [VALUES.get("nested")]


def repeated(count: int, statement: str) -> str:
    return "".join(statement.replace("#", str(number)) for number in range(count))


def looped(body: str, around: str = "") -> str:
    return f"{around}{{% for i in range(10000) %}}{body}{{% endfor %}}a: 1"


ESCAPES = {
    "the class of a text": ("a: {{ ''.__class__ }}", UNDEFINED),
    "the subclasses of object": ("a: {{ ''.__class__.__mro__[1].__subclasses__() }}", INVALID),
    "the globals of a function": ("a: {{ values.__init__.__globals__ }}", UNDEFINED),
    "a dunder as a key": ("a: {{ values['__class__'] }}", UNDEFINED),
    "a dunder as an attribute of map": ("a: {{ [mesh]|map(attribute='__class__')|list }}", UNDEFINED),
    "a dunder by get": ("a: {{ values|get('__class__', 1 // 0) }}", INVALID),
    "the filter attr": ("a: {{ mesh|attr('__class__') }}", INVALID),
    "a format string": ("a: {{ '{0.__class__}'.format(mesh) }}", INVALID),
    "a percent format": ("a: {{ '%s' % mesh }}", INVALID),
    "the filter format": ("a: {{ '%s'|format(mesh) }}", INVALID),
    "namespace": ("{% set n = namespace(x=1) %}", INVALID),
    "cycler": ("a: {{ cycler('a') }}", INVALID),
    "lipsum": ("a: {{ lipsum(n=100000) }}", INVALID),
    "lipsum without a call": ("a: {{ lipsum.__globals__ }}", UNDEFINED),
    "dict": ("a: {{ dict(a=1) }}", INVALID),
    "joiner": ("a: {{ joiner(',') }}", INVALID),
    "self": ("a: {{ self._TemplateReference__context }}", INVALID),
    "super": ("{% block a %}{{ super() }}{% endblock %}", INVALID),
    "the loop itself": ("{% for x in [1] %}{{ loop }}{% endfor %}", INVALID),
    "a private field of the loop": ("{% for x in [1] %}{{ loop._iterator }}{% endfor %}", INVALID),
    "the loop by a key": ("{% for x in [1] %}{{ loop['_iterator'] }}{% endfor %}", INVALID),
    "the loop under a name": ("{% for x in [1] %}{% set l = loop %}{% endfor %}", INVALID),
    "our own functions": ("a: {{ __mark__ }}", INVALID),
    "a call of our own functions": ("a: {{ __filter__('lower', 'A') }}", INVALID),
    "one of our functions set": ("{% set __mark__ = 1 %}a: {{ 1 }}", INVALID),
    "one of our functions as a loop's name": ("{% for __each__ in [1] %}{% endfor %}", INVALID),
    "a range that is not called": ("a: {{ range }}", INVALID),
    "range set": ("{% set range = 1 %}", INVALID),
    "include": ("{% include '/etc/passwd' %}", INVALID),
    "a marker": ("a: \ue0000\ue001", INVALID),
    "a marker in a double-quoted scalar": ('a: "\\uE0000\\uE001"', NOT_YAML),
    "a long marker in a double-quoted scalar": ('a: "\\U0000e00099\\U0000e001 {{ 1 }}"', NOT_YAML),
    "a marker of two branches": ('a: "\\u{% if true %}E0000{% endif %}\\uE001"', NOT_YAML),
    "half a surrogate pair": ("a: \ud800", INVALID),
}

COMPILE_TIME = {
    "a constant of 2 GB": ("a: {{ 'a' * 2000000000 }}", INVALID),
    "a constant list of 2 GB": ("a: {{ [1] * 2000000000 }}", INVALID),
    "a format of 2 GB": ("a: {{ '%2000000000d' % 1 }}", INVALID),
    "a format of 2 GB in a test": ("a: {{ '%2000000000d' is odd }}", INVALID),
    "a format of 2 GB in a test with an argument": ("a: {{ '%2000000000d' is divisibleby 3 }}", INVALID),
    "center": ("a: {{ 'a'|center(2000000000) }}", INVALID),
    "a power": ("a: {{ 2**(10**9) }}", LIMIT),
    "a tower of powers": ("a: {{ 9**9**9**9 }}", LIMIT),
    "a whole number of 200,000 digits": (f"a: {{{{ {'9' * 200_000} }}}}", INVALID),
    "a whole number of 200,000 hex digits": (f"a: {{{{ 0x{'f' * 200_000} }}}}", INVALID),
    "a number that is infinite": ("a: {{ 1e999 }}", INVALID),
    "300 chained filters": (f"a: {{{{ 'a'{'|lower' * 300} }}}}", INVALID),
    "5,000 nested parentheses": (f"a: {{{{ {'(' * 5000}1{')' * 5000} }}}}", INVALID),
    "5,000 nested brackets": (f"a: {{{{ {'[' * 5000}{']' * 5000} }}}}", INVALID),
    "5,000 nested braces": (f"a: {{{{ {'{1:' * 5000} }}}}", INVALID),
    "100,000 signs": (f"a: {{{{ {'-' * 100_000}1 }}}}", INVALID),
    "1,000 times not": (f"a: {{{{ {'not ' * 1000}1 }}}}", INVALID),
    "100,000 attributes": (f"a: {{{{ values{'.a' * 100_000} }}}}", INVALID),
    "10,000 powers": (f"a: {{{{ 1{'**1' * 10_000} }}}}", INVALID),
    "60 nested ifs": (f"{'{% if true %}' * 60}a: 1{'{% endif %}' * 60}", INVALID),
    "40 nested loops": (f"{'{% for x in [1] %}' * 40}a: 1{'{% endfor %}' * 40}", INVALID),
    "2,000 times elif": (f"{{% if 1 %}}{'{% elif 1 %}' * 2000}{{% endif %}}a: 1", INVALID),
    "50,000 outputs": ("{{1}}" * 50_000, INVALID),
    "20,000 sets": ("{%set a=1%}" * 20_000, INVALID),
    "a list of 100,000 numbers": (f"a: {{{{ [{'1,' * 100_000}] }}}}", INVALID),
    "60,000 comments that never end": ("{# " * 60_000, INVALID),
    "more text than a template has": ("a" * (bounds.TEMPLATE_CHARACTERS + 1), INVALID),
    "200,000 lines": ("a\n" * 100_000, NOT_A_POD),
}

RUN_TIME = {
    "nested loops": (looped("{% for j in range(10000) %}{% endfor %}"), LIMIT),
    "three nested loops": (
        "{% for i in range(99) %}{% for j in range(99) %}{% for k in range(99) %}{% endfor %}{% endfor %}{% endfor %}",
        LIMIT,
    ),
    "a loop body of thousands of expressions": (looped("{% if 1 == 1 and 2 == 2 %}{% endif %}" * 150), LIMIT),
    "a range of 10^12": ("a: {{ range(10**12) }}", LIMIT),
    "a range that len cannot count": ("a: {{ range(2**63) }}", LIMIT),
    "ranges that are kept": (f"{repeated(150, '{% set a# = range(10000) %}')}a: 1", LIMIT),
    "text doubled by set": (f"{{% set s = 'ab' %}}{'{% set s = s ~ s %}' * 40}a: {{{{ s }}}}", LIMIT),
    "text doubled by replace": (f"{{% set s = 'a' %}}{'''{% set s = s|replace('a', 'aa') %}''' * 40}a: 1", LIMIT),
    "text doubled by join": (f"{{% set s = 'ab' %}}{'{% set s = [s, s]|join %}' * 40}a: 1", LIMIT),
    "text doubled by the separator": (f"{{% set s = 'ab' %}}{'{% set s = s|join(s) %}' * 40}a: 1", LIMIT),
    "empty text replaced": ("a: {{ values.long|replace('', values.long) }}", LIMIT),
    "lists nested by set": (f"{{% set x = 1 %}}{'{% set x = [x, x] %}' * 40}a: 1", LIMIT),
    "mappings nested by set": (f"{{% set x = 1 %}}{'''{% set x = {'a': x, 'b': x} %}''' * 40}a: 1", LIMIT),
    "nested lists compared": (
        looped("{% if x == y and x == y and x == y %}{% endif %}", "{% set x = values.many %}{% set y = values.copy %}"),
        LIMIT,
    ),
    "lists of lists compared by a test": (looped("{% if values.deep is eq values.deep %}{% endif %}"), LIMIT),
    "lists of lists compared by select": (looped("{% if [values.many]|select('in', [values.copy]) %}{% endif %}"), LIMIT),
    "long texts compared": (looped("{% if values.long < values.almost %}{% endif %}" * 20), LIMIT),
    "long texts searched": (looped("{% if 'zz' in values.long %}{% endif %}" * 20), LIMIT),
    "a bad search": (looped("{% if values.needle in values.hay %}{% endif %}" * 20), LIMIT),
    "a bad search by a test": (looped("{% if values.needle is in values.hay %}{% endif %}" * 20), LIMIT),
    "a bad replace": (looped("{% if values.hay|replace(values.needle, '') %}{% endif %}" * 20), LIMIT),
    "a bad split": (looped("{% if values.hay|split(values.needle) %}{% endif %}" * 20), LIMIT),
    "a bad trim": ("a: {{ values.long|trim(values.almost) }}", LIMIT),
    "beginnings of long texts": (looped("{% if values.long|startswith(values.long) %}{% endif %}" * 20), LIMIT),
    "ends of long texts": (looped("{% if values.long|endswith(values.long) %}{% endif %}" * 20), LIMIT),
    "hashes of long texts": ("a: {{ values.texts|map('sha256')|list|length }}", LIMIT),
    "labels of long texts": (looped("{% if values.long|dns_label %}{% endif %}" * 20), LIMIT),
    "quoting for the shell": (looped("{% if values.quotes|shell %}{% endif %}" * 20), LIMIT),
    "characters of long texts": (looped("{% if values.long|list %}{% endif %}" * 20), LIMIT),
    "first characters of long texts": (looped("{% if values.long|first %}{% endif %}" * 20), LIMIT),
    "slices of long texts": (looped("{% if values.long[1:] %}{% endif %}" * 20), LIMIT),
    "slices that are kept": (f"{repeated(150, '{% set s# = values.long[1:] %}')}a: 1", LIMIT),
    "slices of lists that are kept": (f"{repeated(150, '{% set s# = values.many[1:] %}')}a: 1", LIMIT),
    "pieces that are kept": (f"{repeated(150, '''{% set s# = values.hay|split('x') %}''')}a: 1", LIMIT),
    "lower case that is kept": (f"{repeated(150, '{% set s# = values.long|lower %}')}a: 1", LIMIT),
    "sorting long texts": ("a: {{ values.texts|sort|length }}", LIMIT),
    "unique long texts": ("a: {{ values.texts|unique|length }}", LIMIT),
    "the smallest of long texts": ("a: {{ values.texts|min|length }}", LIMIT),
    "joining long texts": ("a: {{ values.texts|join|length }}", LIMIT),
    "long JSON written out": (f"{{% set j = values.long|tojson %}}a: {{{{ {' ~ '.join('j' for _ in range(1400))} }}}}", LIMIT),
    "JSON of NULs": ("a: {{ 'x' ~ values.zeros|tojson }}", LIMIT),
    "JSON of shared structures": (f"{{% set x = ['{'y' * 100_000}'] %}}a: {{{{ [{'x,' * 100}]|tojson }}}}", LIMIT),
    "map of tojson": ("a: {{ values.texts|map('tojson')|list|length }}", LIMIT),
    "attributes with thousands of dots": (looped(f"{{% if [1]|map(attribute='{'a.' * 100}') %}}{{% endif %}}"), INVALID),
    "a very deep value": ("a: {{ values.nested }}", LIMIT),
    "a very deep value compared": ("a: {{ values.nested == [1] }}", LIMIT),
    "a very deep value as JSON": ("a: {{ values.nested|tojson }}", LIMIT),
    "very deep YAML": (f"a: {'[' * 100_000}", NOT_YAML),
    "very deep YAML in blocks": (f"{'- ' * 100_000}", NOT_YAML),
    "too many keys": ("- a\n" * 30_000, LIMIT),
    "too many keys by a loop": ("a: [{% for i in range(9000) %}[1, 2, 3],{% endfor %}]", LIMIT),
    "too much output": (looped("#" * 1000), LIMIT),
    "too many outputs": (looped("{{ i }}{{ i }}"), LIMIT),
    "a long text many times": (f"a: {repeated(10, '{{ values.long }}')}", LIMIT),
    "a text that is too long": ("a: {{ values.long ~ values.long }}", LIMIT),
    "a value that is too long": ("a: {{ values.longest }}", LIMIT),
    "a long text twice in one scalar": ("a: {{ values.long }}{{ values.long }}", LIMIT),
    "a name that is long and unknown": ("a: {{ values.keys[values.name] }}", UNDEFINED),
}

CASES = {**ESCAPES, **COMPILE_TIME, **RUN_TIME}


@pytest.mark.parametrize(("text", "reason"), CASES.values(), ids=CASES.keys())
def test_a_hostile_template_is_refused_or_cut_by_a_count(text: str, reason: Reason) -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(text, "t")).render({"values": VALUES, "mesh": {"name": "m"}})
    assert caught.value.reason is reason, str(caught.value)
    assert len(str(caught.value)) < 2_000
    assert len(caught.value.problem.excerpt) < 2_000


@pytest.mark.parametrize("name", [name for name in RUN_TIME if "kept" in name or "doubled" in name or "nested by" in name])
def test_a_hostile_template_takes_little_memory(name: str) -> None:
    template = PatchTemplate(Source(RUN_TIME[name][0], "t"))
    tracemalloc.start()
    with pytest.raises(InjectionError):
        template.render({"values": VALUES})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000


def test_a_hostile_key_is_not_written_out_for_a_message() -> None:
    found = PatchTemplate(Source("a: {{ values[values.texts] is defined }}", "t")).render({"values": VALUES})
    assert found.body == {"spec": {"a": False}}


def test_what_is_just_within_the_bounds_renders() -> None:
    text = "a: [{% for i in range(9000) %}{{ i }},{% endfor %}]\nb: '{{ values.long }}'"
    found = PatchTemplate(Source(text, "t")).render({"values": VALUES})
    assert found.body == {"spec": {"a": list(range(9000)), "b": LONG}}


def test_a_template_as_deep_as_is_allowed_compiles() -> None:
    text = f"a: {{{{ {'[' * 20}1{']' * 20} }}}}\nb: {{{{ 'x'{'|lower' * 46} }}}}\n{'{% for x in [1] %}' * 15}c: 1\n{'{% endfor %}' * 15}"
    assert PatchTemplate(Source(text, "t")).render({}).body["spec"]["b"] == "x"
