import hashlib
import inspect
import sys

import pytest

from mesh_injector.engine.template import PatchTemplate, Source, language
from mesh_injector.engine.template.source import Fault
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

REFUSED = {
    "{% macro m() %}{% endmacro %}": ("a macro", "write the lines where they are needed"),
    "{% call m() %}{% endcall %}": ("a `call` block", "write the lines where they are needed"),
    "{% filter lower %}A{% endfilter %}": ("a `filter` block", "{{ value|lower }}"),
    "{% set a %}b{% endset %}": ("a block `set`", "{% set name = 'a' ~ b %}"),
    "{% include 'a' %}": ("`include`", "one ConfigMap entry"),
    "{% import 'a' as b %}": ("`import`", "one ConfigMap entry"),
    "{% from 'a' import b %}": ("`import`", "one ConfigMap entry"),
    "{% extends 'a' %}": ("`extends`", "one ConfigMap entry"),
    "{% block a %}{% endblock %}": ("`block`", "there is nothing to extend"),
    "{% with a = 1 %}{% endwith %}": ("`with`", "{% set name = … %}"),
    "{% set a.b = 1 %}": ("a namespace attribute", "set a plain name"),
    "{% set a, b = [1, 2] %}": ("`set` of more than one name", "one `set` for each name"),
    "{% for a in [] recursive %}{% endfor %}": ("a recursive loop", "write the levels out"),
    "{% for a in [1] %}{{ loop.previtem }}{% endfor %}": ("`loop.previtem`", "there are `first`, `index`, `last`, `length`"),
    "{% for a in [1] %}{{ loop.cycle('a') }}{% endfor %}": ("a call of `cycle`", "only `range(…)` can be called"),
    "{% for a in [1] %}{{ loop }}{% endfor %}": ("the name `loop` cannot be used here", "use loop.index"),
    "{{ range }}": ("the name `range` cannot be used here", "range(3)"),
    "{{ self }}": ("the name `self` cannot be used here", ""),
    "{{ super }}": ("the name `super` cannot be used here", ""),
    "{{ _private }}": ("the name `_private` cannot be used here", ""),
    "{{ values.items() }}": ("a call of `items`", "write `|items`"),
    "{{ values.keys() }}": ("a call of `keys`", "write `|list`"),
    "{{ values.get('a') }}": ("a call of `get`", "write `|get('key', 'default')`"),
    "{{ mesh_name.startswith('a') }}": ("a call of `startswith`", "write `|startswith('a')`"),
    "{{ lipsum() }}": ("a call of `lipsum`", "only `range(…)` can be called"),
    "{{ values.list[0]() }}": ("a call is not part", "only `range(…)` can be called"),
    "{{ range(*values) }}": ("a call of `range`", "only `range(…)` can be called"),
    "{{ values|indent(4) }}": ("there is no filter `indent`", "indent is not needed: a value keeps its structure"),
    "{{ values|nindent(4) }}": ("there is no filter `nindent`", "nindent is not needed: a value keeps its structure"),
    "{{ values|safe }}": ("there is no filter `safe`", "nothing is escaped"),
    "{{ values|tojsn }}": ("there is no filter `tojsn`", "did you mean `tojson`?"),
    "{{ values|attr('a') }}": ("there is no filter `attr`", "there are"),
    "{{ values is defind }}": ("there is no test `defind`", "did you mean `defined`?"),
    "{{ values is callable }}": ("there is no test `callable`", "there are"),
    "{{ 1 is divisibleby }}": ("the test `divisibleby` does not take these arguments", "write `is divisibleby(divisor)`"),
    "{{ 1 is odd(2) }}": ("the test `odd` does not take these arguments", "write `is odd`"),
    "{{ 1 is eq(*values) }}": ("`is eq` with unpacked arguments", "write the arguments out"),
    "{{ mesh_name|replace('a') }}": ("the filter `replace` does not take these arguments", "write `|replace(old, new, count=-1)`"),
    "{{ mesh_name|lower(1) }}": ("the filter `lower` does not take these arguments", "write `|lower`"),
    "{{ mesh_name|default(fallback=1, what=2) }}": (
        "the filter `default` does not take these arguments",
        "write `|default(fallback='', boolean=False)`",
    ),
    "{{ mesh_name|default(fallback=1, fallback=2) }}": ("the filter `default`: an argument is given twice", "remove one"),
    "{{ mesh_name|default(_budget=1) }}": ("the filter `default` does not take these arguments", "write `|default("),
    "{{ mesh_name|replace(*values) }}": ("`replace` with unpacked arguments", "write the arguments out"),
    "{{ mesh_name|replace(**values) }}": ("`replace` with unpacked arguments", "write the arguments out"),
    "{{ values|map('lowr') }}": ("there is no filter `lowr`", "did you mean `lower`?"),
    "{{ values|map('lower', 1) }}": ("the filter `lower` does not take these arguments", "write `|lower`"),
    "{{ values|select('evn') }}": ("there is no test `evn`", "did you mean `even`?"),
    "{{ values|selectattr('a', 'equal', 1) }}": ("there is no test `equal`", "did you mean `equalto`?"),
    "{{ values|rejectattr('a', 'eq') }}": ("the test `eq` does not take these arguments", "write `is eq(other)`"),
    "{{ 'a' if values }}": ("`… if …` without `else`", "… else ''"),
    "{{ values[1, 2] }}": ("several positions in one `[…]`", "x[0][1]"),
    "{{ 1e999 }}": ("a number of more than 64 bits", "in quotes"),
    "{{ 18446744073709551616 }}": ("a number of more than 64 bits", "in quotes"),
    "{% set mesh = 1 %}": ("`mesh` cannot be set: it is given", "choose another name"),
    "{% for pod in [] %}{% endfor %}": ("`pod` cannot be set: it is given", "choose another name"),
    "{% for a, values in [] %}{% endfor %}": ("`values` cannot be set: it is given", "choose another name"),
    "{% frobnicate %}": ("there is no tag `frobnicate`", "the tags are `if`, `elif`, `else`, `for`, `set`"),
    "{% if values %}a: 1": ("`{% if %}` is never closed", "add `{% endif %}`"),
    "{{ range $i, $x := .Values.x }}": ("`$` begins no name", "not Go's templates"),
    "{{ range .Values.x }}": ("the name `range` cannot be used here", "a loop is written `{% for x in values.list %}`"),
    "{% for a in [1] %}{% endif %}": ("`endif` does not fit inside `{% for %}`", "close it first, by `{% endfor %}`"),
    "{{ values": ("the template ends inside `{{` or `{%`", "close every `{{` by `}}`"),
    "{{ .Values.image }}": (
        "a name cannot begin with a dot",
        "this is Jinja and not Go's templates: write `values.image`, and `{% for x in list %}`",
    ),
    "{{ toYaml .Values.resources | nindent 8 }}": ("this is an expression of Go's templates", "so there is no `toYaml` and no `nindent`"),
    "{% if values = 1 %}{% endif %}": ("`=` is no comparison", "write `==`"),
    "{% if values %}{% else if values %}{% endif %}": ("`else if` is no tag", "write `elif`"),
    "{{ values|default 4 }}": (
        "something stands behind a finished expression",
        "the arguments of a filter stand in brackets: `|default('a')`; a tag is written `{% if … %}`",
    ),
    "{{ if values }}": (
        "something stands behind a finished expression",
        "the arguments of a filter stand in brackets: `|default('a')`; a tag is written `{% if … %}`",
    ),
    "{# a": ("a comment is never closed", "close `{#` by `#}`"),
    "{{ 'a }}": ("the template does not parse", "check the brackets and quotes of this line"),
    "{{ }}": ("the template does not parse", ""),
    "{% break %}": ("there is no tag `break`", "the tags are"),
    "a: \ue000": ("a private-use character", "remove it"),
    "{{ 'a\\ud800' }}": ("a lone surrogate, which no UTF-8 can hold", "write the character itself"),
}


@pytest.mark.parametrize(("text", "what", "fix"), [(text, *told) for text, told in REFUSED.items()])
def test_what_is_not_in_the_language_is_refused_at_load_with_what_to_write_instead(text: str, what: str, fix: str) -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(f"\n  {text}", "ConfigMap ns/name, key patch"))
    problem = caught.value.problem
    assert caught.value.reason is Reason.TEMPLATE_INVALID
    assert (problem.code, problem.where.partition(", column")[0]) == ("MI301", "ConfigMap ns/name, key patch, line 2")
    assert what in problem.what
    assert fix in problem.fix
    assert f"2 |   {text[:20]}".replace("\ue000", "�") in problem.excerpt


def test_a_refused_word_is_pointed_at() -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source("spec:\n  a: 1\n  b: {{ values|tojsn }}", "t"))
    assert caught.value.problem.where == "t, line 3, column 16"
    assert caught.value.problem.excerpt.splitlines()[-2:] == ["  3 |   b: {{ values|tojsn }}", "    |                ^"]


def test_a_message_repeats_only_the_beginning_of_a_long_name() -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(f"{{{{ {'x' * 100_000} }}}}", "t"))
    assert len(str(caught.value)) < 1000
    assert "…" in caught.value.problem.what


def test_a_loop_that_is_nested_deeper_than_python_compiles_is_refused() -> None:
    with pytest.raises(InjectionError, match="does not compile: too many statically nested blocks"):
        PatchTemplate(Source("{% for x in [1] %}" * 24 + "{% endfor %}" * 24, "t"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n" + "{% if values %}\n" * 9_000 + "{% endif %}" * 9_000, 52),
        ("{%- for x in [1] %}\n" * 400 + "{% endfor %}" * 400, 51),
        ("a: 1\nb: {{ " + "not " * 1_500 + "values }}", 2),
        ("{{ " + "-" * 1_500 + "1 }}", 1),
        ("{% macro m() %}\n" * 400 + "{% endmacro %}" * 400, 51),
        ("{% if values %}\n" * 49 + "{% set a %}\n" * 400 + "{% endset %}" * 400 + "{% endif %}" * 49, 51),
    ],
)
def test_what_is_nested_too_deeply_is_told_with_the_bound_and_where_it_is_passed(text: str, line: int) -> None:
    with pytest.raises(InjectionError, match="an expression or block nested deeper than 50") as caught:
        PatchTemplate(Source(text, "t"))
    assert f"t, line {line}," in str(caught.value)


def test_blocks_that_follow_each_other_are_not_nested() -> None:
    text = "{% if values %}{% else %}{% endif %}" * 60 + "{% for x in [1] %}{% endfor %}" * 60 + "a: {{ " + "1 - " * 40 + "- 1 }}"
    assert PatchTemplate(Source(text, "t")).render({"values": {}}).body["spec"]


def test_fifty_elifs_are_allowed_and_one_more_is_not() -> None:
    text = "{{% if 0 %}}{}{{% endif %}}a: 1"
    assert PatchTemplate(Source(text.format("{% elif 0 %}" * 50), "t")).render({}).body == {"spec": {"a": 1}}
    with pytest.raises(InjectionError, match="more than 50 `elif`"):
        PatchTemplate(Source(text.format("{% elif 0 %}" * 51), "t"))


def test_the_digest_is_the_sha256_of_the_text() -> None:
    digest = PatchTemplate(Source("a: 1", "t")).digest
    assert digest == f"sha256:{hashlib.sha256(b'a: 1').hexdigest()}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\n  {% if values %}\nb: 2\n{% for x in y %}\n{% endfor %}\n", "line 2, column 3"),
        ("{% if a %}{# {% if b %} #}\n{% endif %}\n{%- for x in y %}\nb: 2\n", "line 3, column 1"),
        ("{% if a %}{% if b %}\n{% endif %}\n\n", "line 1, column 1"),
    ],
)
def test_a_block_that_is_never_closed_is_told_where_it_begins(text: str, place: str) -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(text, "T"))
    assert caught.value.problem.where == f"T, {place}"


DEEP = {
    "block sets": "{% set x %}\n" * 300 + "{% endset %}" * 300,
    "conditions": "{{" + " 1 if 1 else\n" * 300 + " 1 }}",
    "conditions beside brackets": "{{" + " (1, 2)|first if 1 else\n" * 150 + " 1 }}",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_nested_is_told_with_its_line_however_deep_the_stack_is(text: str) -> None:
    for frames in (0, 300, 600):
        with pytest.raises(InjectionError, match="an expression or block nested deeper than 50") as caught:
            below(frames, text)
        assert "line 51" in str(caught.value)


def below(frames: int, text: str) -> None:
    if frames:
        below(frames - 1, text)
    else:
        PatchTemplate(Source(text, "t"))


@pytest.mark.parametrize(
    "text",
    [
        "{% set x = 1 %}" * 200,
        "x: [" + "{{ 1 if 1 else 2 }}, " * 100 + "]",
        "x: {{ [" + "1 if 1 else 2, " * 100 + "] }}",
        "{% for x in [1] if x %}{% endfor %}" * 100,
    ],
)
def test_conditions_and_sets_that_follow_each_other_are_not_nested(text: str) -> None:
    PatchTemplate(Source(text, "t"))


def test_a_template_that_needs_more_stack_than_is_left_is_told_as_nested_too_deeply() -> None:
    def parsed_below(frames: int) -> None:
        if frames:
            parsed_below(frames - 1)
        else:
            language.parse("a: {{ ((((((((((1)))))))))) }}")

    with pytest.raises(Fault, match="nested"):
        parsed_below(sys.getrecursionlimit() - len(inspect.stack(0)) - 60)
