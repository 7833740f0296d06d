"""A random template of the language, and any text at all: it renders the same every time, or is refused the same every time."""

import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_injector.engine.template import SKELETON_ROOM, SKELETON_WEIGHT, PatchTemplate, Source
from mesh_injector.errors import InjectionError

VARIABLES: dict[str, Any] = {
    "mesh_name": "shop",
    "container_ports": [8080, 9090],
    "values": {"a": {"b": [1, None, "x"]}, "items": "i", "c": 1.5},
}
ATOMS = st.sampled_from(["mesh_name", "container_ports", "values", "values.a", "values.x", "x", "1", "-2", "1.5", "'a'", "true", "none"])


SIMPLE = st.sampled_from(
    ["default", "string", "tojson", "length", "items", "list", "unique", "bool", "first", "sha256", "map('string')", "get('b')"]
)
FITTING = st.sampled_from(["default", "join", "get", "startswith", "int", "selectattr"])
ASKED = st.sampled_from(["defined", "none", "string", "odd", "mapping", "not number"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["~", "+", "-", "*", "/", "//", "%", "**", "==", "<", ">=", "in", "not in", "and", "or"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({})|{}".format, inner, SIMPLE),
        st.builds("({})|{}({})".format, inner, FITTING, inner),
        st.builds("({} is {})".format, inner, ASKED),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{'k': {}, ({}): 1}}".format, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({})[{}:]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=6)
PIECES = st.one_of(
    st.builds("k{}: {{{{ {} }}}}\n".format, st.integers(0, 9), EXPRESSIONS),
    st.builds('k: "a{{{{ {} }}}}"\n'.format, EXPRESSIONS),
    st.builds("{{% set x = {} %}}\n".format, EXPRESSIONS),
    st.builds("{{% if {} %}}\na: 1\n{{%- else %}}\nb: {{{{ {} }}}}\n{{% endif %}}\n".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("l:\n{{% for x in {} %}}\n- {{{{ x }}}}{{{{ loop.index }}}}\n{{% endfor %}}\n".format, EXPRESSIONS),
)


def outcome(text: str) -> tuple[Any, Any]:
    """The partial pod with a line of each field, or the error; any other exception is a failure of the test."""
    try:
        rendered = PatchTemplate(Source(text, "t")).render(VARIABLES)
        return rendered.body, [rendered.line(("spec", key)) for key in rendered.body.get("spec") or ()]
    except InjectionError as error:
        return error.reason, str(error)


@settings(max_examples=300)
@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
def test_a_random_template_renders_or_is_refused_the_same_every_time(text: str) -> None:
    first = outcome(f"{{% set x = 0 %}}\n{text}")
    assert repr(outcome(f"{{% set x = 0 %}}\n{text}")) == repr(first)


SCRAPS = ["{{", "}}", "{%", "%}", "{#", "#}", "a:", "if", "for", "set", "in", "endif", *"-x[]()|'\".1!&*{}%e=é?\\ \n\t"]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(SCRAPS)).map("".join))
def test_any_text_at_all_renders_or_is_refused(text: str) -> None:
    assert repr(outcome(text)) == repr(outcome(text))


BRANCHES = """\
containers:
{% for name in container_names %}
  - name: {{ name }}
    {% if name == 'a' %}
    image: {{ values.x }}
    {% else %}
    command: [{{ values.x }}]
    {% endif %}
{% endfor %}
"""


def test_a_remembered_skeleton_is_never_that_of_another_branch() -> None:
    template = PatchTemplate(Source(BRANCHES, "t"))
    given = [{"container_names": names, "values": {"x": x}} for x in ("1", "2") for names in (["a"], ["b"], ["a", "b"], ["b", "a"], [])]
    remembered = [template.render(variables).body for variables in given + given]
    assert remembered == [PatchTemplate(Source(BRANCHES, "t")).render(variables).body for variables in given + given]


def test_what_a_caller_does_to_a_body_does_not_reach_the_next_one() -> None:
    template = PatchTemplate(Source("spec: {containers: [{name: a, image: b}]}", "t"))
    template.render({}).body["spec"]["containers"].append("spoilt")
    assert template.render({}).body == {"spec": {"containers": [{"name": "a", "image": "b"}]}}


def test_skeletons_are_remembered_by_weight_and_the_longest_unused_goes_first() -> None:
    template = PatchTemplate(Source("spec: {containers: [{% for n in container_names %}{name: {{ n }}}, {% endfor %}]}", "t"))
    for count in range(200):
        template.render({"container_names": ["x"] * count})
    kept = len(template.skeleton)
    assert (SKELETON_ROOM * 0.9 < template.skeleton.weight <= SKELETON_ROOM, 0 < kept < 200) == (True, True)
    for count in (199, 0):
        template.render({"container_names": ["x"] * count})
    assert (template.skeleton.hits, template.skeleton.misses) == (1, 201)


def test_a_skeleton_that_is_too_large_is_parsed_each_time_and_drives_out_nothing() -> None:
    template = PatchTemplate(Source("spec: {hostname: {{ values.x }}} # {% for n in container_names %}xxxxxxxx{% endfor %}", "t"))
    for names in ([], ["x"] * (SKELETON_ROOM // SKELETON_WEIGHT // 16), []):
        template.render({"container_names": names, "values": {"x": 1}})
    assert (len(template.skeleton), template.skeleton.hits, template.skeleton.misses) == (1, 1, 2)


def test_what_is_forgotten_is_parsed_again() -> None:
    template = PatchTemplate(Source("spec: {hostname: a}", "t"))
    for _ in range(2):
        template.render({})
        template.forget()
    assert (len(template.skeleton), template.skeleton.misses) == (0, 2)


def test_a_skeleton_takes_no_more_memory_than_it_weighs() -> None:
    text = "".join(f"a{at}: [{{{{ values.x }}}}, b, {{c: 1}}]\n" for at in range(300))
    template = PatchTemplate(Source(text, "t"))
    rendered, _ = template.run({"values": {"x": 1}})
    tracemalloc.start()
    try:
        template.skeleton(rendered)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < template.skeleton.weight * 1.25
