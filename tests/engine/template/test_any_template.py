"""Laws for any template of the language and any values: hypothesis writes the templates from a grammar, and the values from the corpus.

The oracle: where harmless values `<0>`, `<1>`, … stand, the hostile ones stand instead, and nothing else is different.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_injector.engine.template import PatchTemplate, Source
from tests import corpora

TEXTS = 3
FLAGS = 2
HOSTILE = [value for value in corpora.values().values() if len(value) < 1000]
Lines = list[str]

reads = st.sampled_from([f"values.t{number}" for number in range(TEXTS)])
tests = st.one_of(
    st.builds("values.f{}".format, st.integers(0, FLAGS - 1)),
    st.builds("not values.f{}".format, st.integers(0, FLAGS - 1)),
    st.builds("{} is defined and values.f0".format, reads),
    st.just("values.f0 == values.f1"),
    st.just("loops|length > 5"),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} ~ 'a' ~ {})".format, inner, inner),
        st.builds("[{}, {}]|join('-')".format, inner, inner),
        st.builds("({} if values.f0 else {})".format, inner, inner),
        st.builds("({})|string".format, inner),
        st.builds("[{}, 'b']|first".format, inner),
        st.builds("{{'k': {}}}.k".format, inner),
        st.builds("({})|default('c')".format, inner),
        st.builds("values.nope|default({})".format, inner),
    )


expressions = st.recursive(reads, larger, max_leaves=4)
scalars = st.one_of(
    st.builds("{{{{ {} }}}}".format, expressions),
    st.builds("'{{{{ {} }}}}'".format, expressions),
    st.builds('"a\\n{{{{ {} }}}}"'.format, expressions),
    st.builds("a{{{{ {} }}}}b {{{{ {} }}}}".format, expressions, expressions),
    st.builds("[{{{{ {} }}}}, x, '{{{{ {} }}}}']".format, expressions, expressions),
    st.builds("{{ a: {{{{ {} }}}}, 'k{{{{ {} }}}}': 1 }}".format, expressions, expressions),
    st.builds("{{{{ [{}, {{'k': {}}}] }}}}".format, expressions, expressions),
    st.builds("{{{{ [{}]|tojson }}}}".format, expressions),
    st.builds("1 # {{{{ {} }}}}".format, expressions),
    st.sampled_from(["012", "1.10", "true", "~", "on", "{{ values.f0 }}", "{{ loops }}"]),
)


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> Lines:
    """Draw the lines of a block mapping with distinct keys."""
    lines: Lines = []
    for number in range(draw(st.integers(1, 3))):
        lines += draw(entries(f"k{number}", depth))
    return lines


@st.composite
def entries(draw: st.DrawFn, name: str, depth: int) -> Lines:
    """Draw one entry of a mapping: a scalar, a text block, a mapping, a list, and around it a condition or a loop."""
    kind = draw(
        st.sampled_from(
            ["scalar", "scalar", "literal", "folded", "key", "mapping", "list", "if", "for", "set"] if depth < 3 else ["scalar"]
        )
    )
    inner = [f"  {line}" for line in draw(blocks(depth + 1))] if kind in ("mapping", "list", "if") else []
    one, other = draw(scalars), draw(expressions)
    return {
        "scalar": [f"{name}: {one}"],
        "literal": [f"{name}: |", f"  {{{{ {other} }}}}", "  a"],
        "folded": [f"{name}: >-", f"  a{{{{ {other} }}}}", "  b"],
        "key": [f"{name}{{{{ {other} }}}}: {one}"],
        "mapping": [f"{name}:", *inner],
        "list": [f"{name}:", f"- {one}", "- ", *inner, f"- {{{{ {other} }}}}"],
        "if": [f"{{% if {draw(tests)} %}}", f"{name}:", *inner, "{% else %}", f"{name}: {one}", "{% endif %}"],
        "for": [f"{name}:", "{% for x in loops %}", f"- {one}", f"- {{{{ x }}}}{{{{ {other} }}}}", "{% endfor %}", "- {{ loops|length }}"],
        "set": [f"{{% set y = {other} %}}", f"{name}: {{{{ y }}}}"],
    }[kind]


templates = blocks().map(lambda lines: "{% set loops = values.loops %}\n" + "\n".join(lines) + "\n")
hostile = st.lists(st.sampled_from(HOSTILE) | st.text(), min_size=TEXTS, max_size=TEXTS)
flags = st.lists(st.booleans(), min_size=FLAGS, max_size=FLAGS)
loops = st.lists(st.integers(0, 9), max_size=2)
HARMLESS = [f"<{number}>" for number in range(TEXTS)]


def values(texts: list[str], chosen: list[bool], numbers: list[int]) -> dict[str, Any]:
    named = {f"t{number}": text for number, text in enumerate(texts)} | {f"f{number}": flag for number, flag in enumerate(chosen)}
    return {"values": {**named, "loops": numbers}}


def exchanged(value: Any, texts: list[str]) -> Any:
    """Put the hostile texts where the harmless ones stand; in one pass, since a hostile text may look like a harmless one."""
    if isinstance(value, dict):
        return {exchanged(key, texts): exchanged(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [exchanged(item, texts) for item in value]
    if not isinstance(value, str):
        return value
    parts = value.split("<")
    return parts[0] + "".join(texts[int(part[0])] + part[2:] for part in parts[1:])


@settings(max_examples=250)
@given(templates, hostile, flags, loops)
def test_any_values_give_the_structure_that_harmless_ones_give_on_the_same_branches(
    text: str, texts: list[str], chosen: list[bool], numbers: list[int]
) -> None:
    template = PatchTemplate(Source(text, "t"))
    calm = template.render(values(HARMLESS, chosen, numbers))
    wild = template.render(values(texts, chosen, numbers))
    assert wild.body == exchanged(calm.body, texts)
    fields = list(calm.body.get("spec", {}))
    assert [wild.line(("spec", exchanged(field, texts))) for field in fields] == [calm.line(("spec", field)) for field in fields]


@settings(max_examples=100)
@given(templates, st.lists(st.tuples(hostile, flags, loops), min_size=2, max_size=5))
def test_what_is_remembered_of_one_rendering_never_shows_in_another(text: str, runs: list[tuple[list[str], list[bool], list[int]]]) -> None:
    template = PatchTemplate(Source(text, "t"))
    remembered = [template.render(values(*run)).body for run in runs + runs[::-1]]
    assert remembered == [PatchTemplate(Source(text, "t")).render(values(*run)).body for run in runs + runs[::-1]]
