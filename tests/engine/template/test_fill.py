"""What a value becomes where it stands."""

from typing import Any

import pytest

from mesh_injector.reasons import Reason

DATA: dict[str, Any] = {
    "port": 8080, "half": 0.5, "on": True, "off": False, "nothing": None, "text": "a: b # c",
    "list": [1, "a", None, {"k": [True]}], "map": {"x": {"y": 1}}
}  # fmt: skip

PLACES = {
    "v: {{ values.port }}": 8080,
    "v: {{ values.half }}": 0.5,
    "v: {{ values.on }}": True,
    "v: {{ values.nothing }}": None,
    "v: {{ values.text }}": "a: b # c",
    "v: {{ values.list }}": [1, "a", None, {"k": [True]}],
    "v: {{ values.map }}": {"x": {"y": 1}},
    "v:\n  {{ values.map }}": {"x": {"y": 1}},
    "v: '{{ values.port }}'": "8080",
    'v: "{{ values.on }}"': "true",
    "v: '{{ values.text }}'": "a: b # c",
    'v: "a\\n{{ values.text }}"': "a\na: b # c",
    "v: a{{ values.port }}": "a8080",
    "v: {{ values.port }}{{ values.on }}": "8080true",
    "v: {{ values.port }} {{ values.half }}": "8080 0.5",
    "v: -{{ values.port }}": "-8080",
    "v: |\n  one {{ values.text }}\n  {{ values.port }}\n": "one a: b # c\n8080\n",
    "v: |-\n  {{ values.port }}\n": "8080",
    "v: >\n  {{ values.port }}\n  {{ values.on }}\n": "8080 true\n",
    "v: [{{ values.port }}, '{{ values.port }}', {{ values.map }}]": [8080, "8080", {"x": {"y": 1}}],
    "v: { {{ values.text }}: {{ values.port }} }": {"a: b # c": 8080},
    "v:\n- {{ values.port }}\n- - {{ values.on }}": [8080, [True]],
    "v:\n  {{ values.port }}: a\n  {{ values.on }}: b\n  k{{ values.half }}: c\n  '{{ values.text }}': d": {
        "8080": "a", "true": "b", "k0.5": "c", "a: b # c": "d"
    },
    "v: 1 # {{ values.text }}\n# {{ values.list }}": 1,
    "v: {{ values.list|tojson }}": [1, "a", None, {"k": [True]}],
    "v: {{ values.list|toyaml }}": [1, "a", None, {"k": [True]}],
    "v: x{{ values.list|tojson }}": 'x[1,"a",null,{"k":[true]}]',
    "v: '{{ values.map|toyaml }}'": '{"x":{"y":1}}',
    "v: {{ {'a': values.map|tojson} }}": {"a": {"x": {"y": 1}}},
    "v: '{{ values.nothing|tojson }}'": "null",
    "v: {{ '' }}": "",
    "v:": None,
    "v: {}": {},
    "v: []": [],
    "v: {{ [] }}": [],
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PLACES.items())
def test_a_value_keeps_its_type_alone_and_is_text_inside_text(render: Any, text: str, expected: object) -> None:
    found = render(text, values=DATA)["v"]
    assert (found, type(found)) == (expected, type(expected))


ENV = "spec:\n  containers:\n  - name: a\n    env:\n    - name: V\n      value: {}"
TEXTS = {
    "8080": "8080",
    "1.10": "1.10",
    "1e3": "1e3",
    "1e999": "1e999",
    "99999999999999999999999999": "99999999999999999999999999",
    "true": "true",
    "True": "True",
    "yes": "yes",
    "012": "012",
    "-0": "-0",
    "~": None,
    "{{ values.port }}": "8080",
    "{{ values.half }}": "0.5",
    "{{ 1.10 }}": "1.1",
    "{{ 100.0 }}": "100",
    "{{ 1e21 }}": "1000000000000000000000",
    "{{ values.on }}": "true",
    "{{ values.off }}": "false",
    "{{ values.text }}": "a: b # c",
    "{{ values.port|tojson }}": "8080",
    "{{ values.text|tojson }}": "a: b # c",
    "{{ values.list|tojson }}": '[1,"a",null,{"k":[true]}]',
    "{{ values.map|toyaml }}": '{"x":{"y":1}}',
    "{{ values.nothing }}": None,
    "{{ values.list }}": [1, "a", None, {"k": [True]}],
    "{{ [values.list|tojson] }}": [[1, "a", None, {"k": [True]}]],
}


@pytest.mark.parametrize(("written", "expected"), TEXTS.items())
def test_where_kubernetes_wants_text_a_lone_number_or_boolean_becomes_text(render: Any, written: str, expected: object) -> None:
    found = render(ENV.format(written), values=DATA)["spec"]["containers"][0]["env"][0]["value"]
    assert (found, type(found)) == (expected, type(expected))


def test_text_is_wanted_inside_lists_and_mappings_of_values_too(render: Any) -> None:
    text = """
metadata:
  annotations: {{ {'port': 8080, 'on': true} }}
  labels: {8080: 9090, version: 1.10}
spec:
  containers: {{ [{'name': 1, 'args': [1, true, 'a'], 'ports': [{'containerPort': 1}], 'env': [{'name': 'a', 'value': {'b': 1}|tojson}]}] }}
"""
    assert render(text) == {
        "metadata": {"annotations": {"port": "8080", "on": "true"}, "labels": {"8080": "9090", "version": "1.10"}},
        "spec": {
            "containers": [
                {"name": "1", "args": ["1", "true", "a"], "ports": [{"containerPort": 1}], "env": [{"name": "a", "value": '{"b":1}'}]}
            ]
        },
    }


def test_where_kubernetes_wants_a_number_or_either_nothing_is_guessed(render: Any) -> None:
    text = """
containers:
- name: a
  livenessProbe: {httpGet: {port: {{ values.port }}}, periodSeconds: {{ '5' }}, initialDelaySeconds: '5'}
  readinessProbe: {httpGet: {port: {{ 'http' }}}}
  resources: {limits: {cpu: 1, memory: {{ 0.5 }}}}
"""
    (container,) = render(text, values=DATA)["containers"]
    assert container["livenessProbe"] == {"httpGet": {"port": 8080}, "periodSeconds": "5", "initialDelaySeconds": "5"}
    assert container["readinessProbe"] == {"httpGet": {"port": "http"}}
    assert container["resources"] == {"limits": {"cpu": 1, "memory": 0.5}}


def test_what_is_filled_in_is_a_copy(render: Any) -> None:
    data = {"list": [1], "map": {"a": [1]}}
    found = render("a: {{ values.list }}\nb: {{ values.map }}\nname: {{ values.map }}", values=data)
    found["a"].append(2)
    found["b"]["a"].append(2)
    assert data == {"list": [1], "map": {"a": [1]}}


INSIDE_TEXT = {
    "v: x{{ values.nothing }}": ("null stands inside text", "default"),
    "v: '{{ values.nothing }}'": ("null stands inside text", "default"),
    "v: x{{ values.list }}": ("a list stands inside text", "`tojson`, `join` or `csv`"),
    "v: |\n  {{ values.map }}": ("a mapping stands inside text", "`tojson`, `join` or `csv`"),
    "{{ values.nothing }}: 1": ("null stands inside text", "default"),
    "{{ values.list }}: 1": ("a list stands inside text", "`tojson`, `join` or `csv`"),
    "v: {{ 'a' ~ values.map }}": ("a mapping stands inside text", "`tojson`, `join` or `csv`"),
    "a: 1\n{{ 'a' }}: 2": ("two keys of one mapping become `a`", "different keys"),
    "8080: 1\n{{ values.port }}: 2": ("two keys of one mapping become `8080`", "different keys"),
    "v: 99999999999999999999": ("the number 99999999999999999999 is too large", "quote it"),
    "v: -9223372036854775809": ("the number -9223372036854775809 is too large", "quote it"),
    "v: 1e999": ("the number 1e999 is too large", "quote it"),
    "v: {{ {1: 'a'}|tojson }}{{ values.nothing }}": ("null stands inside text", "default"),
    "- a": ("the template renders to something that is no mapping", "begin with `spec:`"),
    "text": ("the template renders to something that is no mapping", "begin with `spec:`"),
    "{{ values.map }}": ("the template renders to something that is no mapping", "begin with `spec:`"),
}


@pytest.mark.parametrize(("text", "what", "fix"), [(text, *told) for text, told in INSIDE_TEXT.items()])
def test_what_cannot_stand_there_is_an_error_that_names_the_fix(refuse: Any, text: str, what: str, fix: str) -> None:
    error = refuse(f"# a comment\n{text}", values=DATA)
    assert error.reason is Reason.RENDERED_INVALID_POD
    assert what in error.problem.what
    assert fix in error.problem.fix
    assert "line " in error.problem.where


def test_a_value_that_is_no_value_is_refused(refuse: Any) -> None:
    assert "the mapping key 1 is not text" in refuse("v: {{ values }}", values={1: 2}).problem.what
    assert "which is no value" in refuse("v: {{ values.x }}", values={"x": object()}).problem.what


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing", "---", "---\n...", "~", "null", "{}", "{% if false %}a: 1{% endif %}", "kind: Pod\napiVersion: v1"]
)
def test_a_template_of_nothing_brings_nothing(render: Any, text: str) -> None:
    assert render(text) == {}


BODIES = {
    "spec: {a: 1}": {"spec": {"a": 1}},
    "metadata: {a: 1}": {"metadata": {"a": 1}},
    "apiVersion: v1\nkind: Pod\nmetadata: {a: 1}\nspec: {b: 2}": {"metadata": {"a": 1}, "spec": {"b": 2}},
    "spec:": {"spec": None},
    "spec: {a: 1}\nwhat: 2": {"spec": {"a": 1}, "what": 2},
}


@pytest.mark.parametrize(("text", "expected"), BODIES.items())
def test_a_partial_pod_has_metadata_or_spec_at_the_top(render: Any, text: str, expected: object) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    "text", ["containers: [{name: 8080}]", "{{ 'containers' }}: [{name: 8080}]", "kind: Pod\ncontainers: [{name: 8080}]"]
)
def test_a_bare_pod_spec_is_put_under_spec(render: Any, text: str) -> None:
    assert render(text) == {"containers": [{"name": "8080"}]}


def test_a_value_cannot_make_a_bare_pod_spec_a_partial_pod(render: Any) -> None:
    assert render("{{ values.key }}: {a: 1}", values={"key": "spec"}) == {"spec": {"a": 1}}
