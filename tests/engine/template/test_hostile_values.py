"""No value is ever syntax: whatever a label, an annotation or a value holds, the structure stays and the text arrives byte for byte."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_injector.engine.template import PatchTemplate, Source
from tests import corpora

HARMLESS = "harmless"

TEMPLATE = """
# a comment of {{ values.x }}
metadata:
  annotations:
    lone: {{ values.x }}
    single: '{{ values.x }}'
    double: "{{ values.x }}"
    mixed: a{{ values.x }}b
    twice: '{{ values.x }}{{ values.x }}'
    before: "\\\\{{ values.x }}\\n"
    tilde: {{ 'a' ~ values.x ~ 'b' }}
    joined: {{ [values.x, values.x]|join(',') }}
    json: a{{ {'k': values.x}|tojson }}
    shell: {{ values.x|shell }}
    {% set later = values.x %}
    set: {{ later }}
    key-{{ values.x }}: after # {{ values.x }}
    "quoted-{{ values.x }}": after
    block: |
      one
      {{ values.x }}
      two {{ values.x }}
    folded: >-
      {{ values.x }}
  labels: { {{ values.x }}: {{ values.x }}, next: 1 }
spec:
  containers:
  {% for container in [values.x, 'second'] %}
  - name: {{ container }}
    args: [{{ container }}, "{{ container }}", x{{ container }}]
    env: {{ [{'name': 'lone', 'value': container}] }}
  {% endfor %}
  - {{ {'name': values.x, 'image': 'image'} }}
"""
COMPILED = PatchTemplate(Source(TEMPLATE, "t"))


def expected(x: str) -> dict[str, Any]:
    return {
        "metadata": {
            "annotations": {
                "lone": x,
                "single": x,
                "double": x,
                "mixed": f"a{x}b",
                "twice": x + x,
                "before": f"\\{x}\n",
                "tilde": f"a{x}b",
                "joined": f"{x},{x}",
                "json": "a" + json.dumps({"k": x}, ensure_ascii=False, separators=(",", ":")),
                "shell": shlex.quote(x),
                "set": x,
                f"key-{x}": "after",
                f"quoted-{x}": "after",
                "block": f"one\n{x}\ntwo {x}\n",
                "folded": x,
            },
            "labels": {x: x, "next": "1"},
        },
        "spec": {
            "containers": [
                *({"name": name, "args": [name, name, f"x{name}"], "env": [{"name": "lone", "value": name}]} for name in (x, "second")),
                {"name": x, "image": "image"},
            ]
        },
    }


@pytest.mark.parametrize("x", [HARMLESS, *(x for x in corpora.values().values() if len(x) <= 20_000)], ids=lambda x: ascii(x)[:30])
def test_a_hostile_value_arrives_byte_for_byte_in_every_position(x: str) -> None:
    assert COMPILED.render({"values": {"x": x}}).body == expected(x)


@given(st.text())
def test_any_text_arrives_byte_for_byte_in_every_position(x: str) -> None:
    if x == "next":  # the other key of `labels`
        x = "next "
    assert COMPILED.render({"values": {"x": x}}).body == expected(x)


SCALAR = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_any_value_of_json_arrives_with_its_type(x: Any) -> None:
    text = "a: {{ values.x }}\nb: [{{ values.x|tojson }}, {{ [values.x] }}]\nc: {{ {'k': values.x} }}"
    assert PatchTemplate(Source(text, "t")).render({"values": {"x": x}}).body == {"spec": {"a": x, "b": [x, [x]], "c": {"k": x}}}


@given(st.text(), st.text())
def test_the_lines_of_the_fields_do_not_depend_on_the_values(x: str, y: str) -> None:
    paths: list[tuple[str | int, ...]] = [
        ("metadata", "annotations", "folded"),
        ("spec", "containers", 1, "args"),
        ("spec", "containers", 2),
    ]
    first, second = (COMPILED.render({"values": {"x": text}}) for text in (x, y))
    assert [first.line(path) for path in paths] == [second.line(path) for path in paths]


def test_a_text_of_100_kb_arrives(value: Any) -> None:
    assert value("values.x", values={"x": "- a: &b\n" * 12_500}) == "- a: &b\n" * 12_500


def test_two_values_that_become_one_key_are_an_error_and_not_a_choice(refuse: Any) -> None:
    error = refuse("a: {{ 1 }}\n{{ values.x }}: 2", values={"x": "a"})
    assert error.problem.what == "two keys of one mapping become `a`"
    assert error.problem.where == "the template, line 2, column 1"
