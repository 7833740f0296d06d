"""From which line of the template a field comes."""

from typing import Any

import pytest

from mesh_injector.documents import Origin
from mesh_injector.engine.template import PatchTemplate, Rendered, Source
from mesh_injector.errors import InjectionError

TEMPLATE = """\
{# a comment
   of two lines #}
metadata:
  annotations:
    {%- if mesh_name == 'shop' %}

    first: a
    {%- endif %}

    {%- set x = 1 %}

    second: "{{ x }}
      {{ mesh_name }}"
    block: |
      one
      {{ x }}
      {% if true %}
      two
      {% endif %}
    after: {{ x }}
spec:
  volumes: [{name: a},
    {% for name in ['b', 'c'] %}
    {name: {{ name }}, emptyDir:
      {}},
    {% endfor %}
    {name: d}]
  containers:
  {% for name in container_names %}
  - name: {{ name }}
    {% if loop.first %}
    image: one
    {% else %}
    image: two
    {% endif %}
    env:
      {% for key, text in [['A', 1], ['B', 2]] %}
      - name: {{ key }}
        value: {{ text }}
      {% endfor %}
  {%- endfor %}

  {{ 'key' }}: {{ {'a':
    [1, 2]} }}
  {% raw %}
  raw: '{{
    }}'
  {% endraw %}
  last: 1
"""
EXPECTED: dict[tuple[str | int, ...], str] = {
    ("metadata",): "metadata:",
    ("metadata", "annotations"): "  annotations:",
    ("metadata", "annotations", "first"): "    first: a",
    ("metadata", "annotations", "second"): '    second: "{{ x }}',
    ("metadata", "annotations", "block"): "    block: |",
    ("metadata", "annotations", "after"): "    after: {{ x }}",
    ("spec",): "spec:",
    ("spec", "volumes"): "  volumes: [{name: a},",
    ("spec", "volumes", 0, "name"): "  volumes: [{name: a},",
    ("spec", "volumes", 1): "    {name: {{ name }}, emptyDir:",
    ("spec", "volumes", 2, "emptyDir"): "    {name: {{ name }}, emptyDir:",
    ("spec", "volumes", 2, "emptyDir", "medium"): "    {name: {{ name }}, emptyDir:",
    ("spec", "volumes", 3, "name"): "    {name: d}]",
    ("spec", "containers"): "  containers:",
    ("spec", "containers", 0): "  - name: {{ name }}",
    ("spec", "containers", 0, "image"): "    image: one",
    ("spec", "containers", 1, "image"): "    image: two",
    ("spec", "containers", 0, "env", 1, "name"): "      - name: {{ key }}",
    ("spec", "containers", 1, "env", 1, "value"): "        value: {{ text }}",
    ("spec", "containers", 7, "image"): "  containers:",
    ("spec", "containers", 0, "nothing"): "  - name: {{ name }}",
    ("spec", "key"): "  {{ 'key' }}: {{ {'a':",
    ("spec", "key", "a", 1): "  {{ 'key' }}: {{ {'a':",
    ("spec", "raw"): "  raw: '{{",
    ("spec", "last"): "  last: 1",
}
VARIABLES = {"mesh_name": "shop", "container_names": ["x", "y"]}


@pytest.fixture(scope="module")
def found() -> Rendered:
    return PatchTemplate(Source(TEMPLATE, "t")).render(VARIABLES)


@pytest.mark.parametrize(("path", "text"), EXPECTED.items(), ids=lambda part: ".".join(map(str, part)) if isinstance(part, tuple) else "")
def test_a_field_knows_its_line_of_the_template(found: Rendered, path: tuple[str | int, ...], text: str) -> None:
    assert TEMPLATE.split("\n")[found.line(path) - 1] == text


def test_a_pod_spec_without_spec_knows_its_lines_too() -> None:
    rendered = PatchTemplate(Source("\ncontainers:\n{% for n in [1, 2] %}\n- name: a\n  image: b\n{% endfor %}\n", "t")).render({})
    assert rendered.bare
    assert [rendered.line(("spec", "containers", *rest)) for rest in ((), (1,), (1, "image"))] == [2, 4, 5]
    assert rendered.line(("spec",)) == rendered.line(()) == 2


def test_lines_are_those_of_the_template_where_several_make_one_line_of_yaml() -> None:
    text = "a: [1,{% if true %}\n2,{% endif %}\n{x: 3},\n{#- gone -#}\n{{ 4 }}]"
    rendered = PatchTemplate(Source(text, "t")).render({})
    assert rendered.body["spec"]["a"] == [1, 2, {"x": 3}, 4]
    assert [rendered.line(("spec", "a", index)) for index in range(4)] == [1, 2, 3, 5]


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_what_only_yaml_takes_for_a_line_end_counts_for_no_line(separator: str) -> None:
    rendered = PatchTemplate(Source(f"# {separator}# {separator}\na: 1\n# \U0001f600\nb: 2", "t")).render({})
    assert [rendered.line(("spec", key)) for key in "ab"] == [2, 4]


def test_windows_lines_are_lines() -> None:
    rendered = PatchTemplate(Source("a: 1\r\n{% if true %}\r\nb: 2\r\n{% endif %}\r\nc: 3", "t")).render({})
    assert [rendered.line(("spec", key)) for key in "abc"] == [1, 3, 5]


def test_an_empty_template_has_no_lines() -> None:
    assert PatchTemplate(Source("", "t")).render({}).line(("spec",)) == 0


ERRORS = {
    "a: 1\n{% if true %}\nb: [1\n{% endif %}": "t, line 3, column 1",
    "{% for x in [1, 2] %}\na: {{ x }}\n{% endfor %}": "t, line 2, column 1",
    "a: 1\n\n{# #}\nb: x{{ [] }}": "t, line 4, column 1",
    "a:\n{% for x in [1, 0] %}\n- {{ 1 // x }}\n{% endfor %}": "t, line 3, column 1",
    "a:\n{% for x in [1, 0] %}\n{% if x == 0 %}\n- {{ {}.x }}\n{% endif %}\n{% endfor %}": "t, line 4, column 9",
    "a: 1\nb: {{ 1 }}\nc: &x 1": "t, line 3, column 1",
}


@pytest.mark.parametrize(("text", "where"), ERRORS.items())
def test_an_error_of_the_rendering_names_the_line_of_the_template(text: str, where: str) -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(text, "t")).render({})
    assert caught.value.problem.where == where


def test_an_error_names_the_file_in_which_the_template_stands(refuse: Any) -> None:
    source = Source("a: 1\nb: {{ mesh_nam }}", "ConfigMap ns/name, key patch", Origin("mesh.yaml", 17, 5))
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(source)
    assert caught.value.problem.where == "ConfigMap ns/name, key patch, line 2, column 7 (mesh.yaml:18:11)"
    assert caught.value.problem.excerpt.splitlines()[1].strip() == "18 | b: {{ mesh_nam }}"
    assert source.where(0) == "ConfigMap ns/name, key patch"
