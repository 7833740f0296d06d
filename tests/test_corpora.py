"""The collections of corpora/: no value changes structure or type in any position, no template gets out, or takes more than its bounds."""

import gc
import hashlib
import json
import shlex
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from mesh_injector.documents import Document, Origin
from mesh_injector.engine import overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.formats import mesh
from mesh_injector.formats.mesh import MeshRules, variables
from mesh_injector.reasons import Reason
from tests import corpora

VALUES = corpora.values()
TEMPLATES = corpora.templates()
DATA = corpora.data()


def test_the_collections_are_as_large_as_they_say_and_every_entry_is_told_apart() -> None:
    for name, least, keys in (("hostile-values.json", 160, set()), ("hostile-templates.json", 180, {"outcome"})):
        found = corpora.entries(name)
        assert len(found) >= least
        assert len({entry["id"] for entry in found}) == len(found)
        assert all(entry.keys() >= {"id", "attacks", "from"} | keys for entry in found)
    assert len(set(VALUES.values())) == len(VALUES)


# --- values: each position alone, what it becomes, and that what stands beside it stays ------------------------------------------------

Expected = Callable[[str], Any]


def same(x: str) -> Any:
    return x


POSITIONS: dict[str, tuple[str, Expected]] = {
    "plain": ("v: {{ values.x }}", same),
    "on a line of its own": ("v:\n  {{ values.x }}", same),
    "single quoted": ("v: '{{ values.x }}'", same),
    "double quoted": ('v: "{{ values.x }}"', same),
    "double quoted with escapes": ('v: "\\t{{ values.x }}\\\\"', lambda x: f"\t{x}\\"),
    "literal block": ("v: |\n  a\n  {{ values.x }}\n  b\n", lambda x: f"a\n{x}\nb\n"),
    "literal block, stripped": ("v: |-\n  {{ values.x }}\n", same),
    "literal block, kept": ("v: |+\n  {{ values.x }}\n\nz: 1", lambda x: f"{x}\n\n"),
    "folded block": ("v: >\n  a\n  {{ values.x }}\n", lambda x: f"a {x}\n"),
    "flow list": ("v: [{{ values.x }}, '{{ values.x }}', \"{{ values.x }}\", b]", lambda x: [x, x, x, "b"]),
    "flow map": ("v: {a: {{ values.x }}, b: '{{ values.x }}'}", lambda x: {"a": x, "b": x}),
    "block list": ("v:\n- {{ values.x }}\n- - {{ values.x }}\n- a: {{ values.x }}", lambda x: [x, [x], {"a": x}]),
    "key": ("v:\n  {{ values.x }}: 1", lambda x: {x: 1}),
    "quoted key": ("v: {'{{ values.x }}': 1, \"b{{ values.x }}b\": 2}", lambda x: {x: 1, f"b{x}b": 2}),
    "explicit key": ("v:\n  ? {{ values.x }}\n  : 1", lambda x: {x: 1}),
    "comment": ("v: 1 # {{ values.x }}\n# {{ values.x }}", lambda _: 1),
    "inside a longer text": ("v: a{{ values.x }}b {{ values.x }}", lambda x: f"a{x}b {x}"),
    "text where it begins": ("v: {{ values.x }}b", lambda x: f"{x}b"),
    "tilde": ("v: {{ 'a' ~ values.x ~ 1 }}", lambda x: f"a{x}1"),
    "set": ("{% set y = values.x %}{% set z = y ~ '' %}v: {{ z }}", same),
    "loop": ("v: [{% for y in [values.x, 'b'] %}{{ y }}, {{ loop.index }}, {% endfor %}]", lambda x: [x, 1, "b", 2]),
    "loop over keys": ("v:\n{% for y in {values.x: 1} %}\n  - {{ y }}\n{% endfor %}", lambda x: [x]),
    "loop over pairs": ("v: { {% for k, y in {values.x: values.x}|items %}{{ k }}: {{ y }}{% endfor %} }", lambda x: {x: x}),
    "condition": ("v: {{ 1 if values.x == values.x else 2 }}", lambda _: 1),
    "literal list": ("v: {{ [values.x, {'k': values.x}] }}", lambda x: [x, {"k": x}]),
    "part of a mapping": ("v: {{ values }}", lambda x: {"x": x}),
    "default": ("v: {{ values.y|default(values.x) }}", same),
    "d": ("v: {{ values.y|d(values.x) }}", same),
    "string": ("v: {{ values.x|string }}", same),
    "quote": ("v: {{ values.x|quote }}", same),
    "lower": ("v: {{ values.x|lower }}", str.lower),
    "upper": ("v: {{ values.x|upper }}", str.upper),
    "trim": ("v: {{ values.x|trim }}", str.strip),
    "replace": ("v: {{ 'a-b'|replace('-', values.x) }}", lambda x: f"a{x}b"),
    "split and join": ("v: {{ [values.x, 'b']|join(':')|replace('a', 'a') }}", lambda x: f"{x}:b"),
    "csv": ("v: {{ [values.x, values.x]|csv }}", lambda x: f"{x},{x}"),
    "first": ("v: {{ [values.x]|first }}", same),
    "last": ("v: {{ [1, values.x]|last }}", same),
    "list": ("v: {{ [values.x]|list }}", lambda x: [x]),
    "length": ("v: {{ values.x|length }}", len),
    "map": ("v: {{ [values.x]|map('string') }}", lambda x: [x]),
    "map of an attribute": ("v: {{ [values]|map(attribute='x') }}", lambda x: [x]),
    "select": ("v: {{ [values.x]|select('string') }}", lambda x: [x]),
    "reject": ("v: {{ [values.x]|reject('none') }}", lambda x: [x]),
    "selectattr": ("v: {{ [values]|selectattr('x', 'defined')|map(attribute='x') }}", lambda x: [x]),
    "rejectattr": ("v: {{ [values]|rejectattr('y')|map(attribute='x') }}", lambda x: [x]),
    "sort": ("v: {{ [values.x]|sort }}", lambda x: [x]),
    "unique": ("v: {{ [values.x, values.x]|unique }}", lambda x: [x]),
    "min and max": ("v: {{ [[values.x]|min, [values.x]|max] }}", lambda x: [x, x]),
    "items": ("v: {{ {values.x: values.x}|items }}", lambda x: [[x, x]]),
    "dictsort": ("v: {{ {values.x: 1}|dictsort }}", lambda x: [[x, 1]]),
    "get": ("v: {{ {values.x: values.x}|get(values.x) }}", same),
    "startswith and endswith": ("v: {{ [values.x|startswith(values.x), values.x|endswith(values.x)] }}", lambda _: [True, True]),
    "tojson alone": ("v: {{ values.x|tojson }}", same),
    "tojson inside text": ("v: a{{ [values.x]|tojson }}", lambda x: "a" + json.dumps([x], ensure_ascii=False)),
    "toyaml alone": ("v: {{ {'k': values.x}|toyaml }}", lambda x: {"k": x}),
    "toyaml quoted": ("v: '{{ [values.x]|toyaml }}'", lambda x: json.dumps([x], ensure_ascii=False)),
    "shell": ("v: echo {{ values.x|shell }}", lambda x: f"echo {shlex.quote(x)}"),
    "sha256": ("v: {{ values.x|sha256 }}", lambda x: hashlib.sha256(x.encode()).hexdigest()),
    "a test": ("v: {{ values.x is string }}", lambda _: True),
    "a search": ("v: {{ values.x in ('a' ~ values.x) }}", lambda _: True),
    "a slice": ("v: {{ values.x[:1] }}", lambda x: x[:1]),
}


@pytest.mark.parametrize("position", POSITIONS)
def test_no_value_changes_structure_or_type_and_each_arrives_byte_for_byte(position: str) -> None:
    text, becomes = POSITIONS[position]
    template = PatchTemplate(Source(f"before: 012\n{text}\nafter: [1.10]\n", "t"))
    for identity, value in VALUES.items():
        found = template.render({"values": {"x": value}}).body["spec"]
        found.pop("z", None)
        assert found == {"before": "012", "v": becomes(value), "after": [1.1]}, (identity, position)


def test_every_filter_is_one_of_the_positions() -> None:
    from mesh_injector.engine.template.filters import FILTERS

    numeric = {"int", "float", "bool", "sum", "round"}
    used = {name for name in FILTERS if any(f"|{name}" in text for text, _ in POSITIONS.values())}
    assert set(FILTERS) - used - numeric - {"dns_label", "split"} == set()


# --- values: every way by which they come ----------------------------------------------------------------------------------------------

WAYS = """
spec:
  containers:
    - name: a
      image: b
      args: [{{ values.x }}, {{ values.y }}, "{{ values.y }}", {{ pod.metadata.labels.l }}, {{ pod.metadata.annotations['a'] }},
        {{ container_names[0] }}, {{ namespace.annotations.n }}, {{ virtual_node_name }}]
      env: [{name: A, value: {{ values.x }}}]
"""


def a_mesh(name: str, **spec: Any) -> Document:
    selector = {"podSelector": {"matchLabels": {"app": name}}}
    body = {"enableAutoInject": True, "injectionSelector": selector, "sidecarPatchConfigMap": {"name": name}, **spec}
    metadata = {"name": name, "namespace": "mesh-system"}
    return Document({"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "metadata": metadata, "spec": body}, Origin("cluster"))


def a_config_map(name: str, text: str) -> Document:
    metadata = {"name": name, "namespace": "mesh-system", "labels": {"mesh-injector.io/template": "true"}}
    return Document({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"t": text}}, Origin("cluster"))


def a_pod(x: str, app: str = "good") -> Pod:
    labels = {"app": app, "l": x, "mesh-injector.io/virtual-node": x or "x"}
    metadata = {"name": "p", "labels": labels, "annotations": {"a": x, "values.mesh-injector.io/y": x}}
    return Pod.from_document({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": x, "image": "i"}]}})


def test_whichever_way_a_value_comes_it_stays_a_value() -> None:
    for identity, x in VALUES.items():
        loaded = mesh.load([a_mesh("good", values={"x": x, "y": "harmless"}, overrides=["y"]), a_config_map("good", WAYS)])
        (one,) = loaded.meshes
        assert one.template is not None
        given = variables.of(one, one.template, a_pod(x), Namespace("shop", annotations={"n": x}))
        made = overlay.make(one.template.render(given), privileged=False)
        container = {"name": "a", "image": "b", "args": [x] * 7 + [x or "x"], "env": [{"name": "A", "value": x}]}
        assert (made.metadata, made.spec) == ({}, {"containers": [container]}), identity


LABEL = PatchTemplate(Source("metadata: {labels: {a: {{ values.x }}}}", "t"))


def labelled(x: str) -> InjectionError | overlay.Overlay:
    try:
        return overlay.make(LABEL.render({"values": {"x": x}}), privileged=False)
    except InjectionError as error:
        return error


def test_where_kubernetes_forbids_a_value_it_is_refused_by_what_it_is() -> None:
    for identity, x in VALUES.items():
        found = labelled(x)
        if isinstance(found, InjectionError):
            assert (found.reason, "is no label value" in found.problem.what) == (Reason.RENDERED_INVALID_POD, True), identity
            assert str(found).isprintable(), identity
            assert len(str(found)) < 1000, identity
        else:
            assert found.metadata == {"labels": {"a": x}}, identity


# --- templates -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", TEMPLATES, ids=lambda attack: ascii(attack.id)[:60])
def test_a_hostile_template_is_refused_or_cut_by_a_count(attack: corpora.Attack) -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(attack.template, "t")).render({"values": DATA, "mesh": {"name": "m"}})
    assert caught.value.reason is attack.outcome, str(caught.value)
    assert len(str(caught.value)) < 2_000
    assert len(caught.value.problem.excerpt) < 2_000


GOOD = [a_mesh("good", values={"image": "a:1"}), a_config_map("good", "containers: [{name: a, image: {{ values.image }}}]")]


def test_beside_a_hostile_template_the_other_meshes_serve() -> None:
    for attack in TEMPLATES:
        rules = MeshRules(mesh.load([*GOOD, a_mesh("evil", values=DATA), a_config_map("evil", attack.template)]).meshes)
        evil = rules.decide(a_pod("x", "evil"), Namespace("shop"))
        good = rules.decide(a_pod("x"), Namespace("shop"))
        assert evil.error is not None, attack.id
        assert (good.reason, good.error) == (Reason.INJECTED, None), attack.id


def run_all() -> None:
    for attack in TEMPLATES:
        with pytest.raises(InjectionError):
            PatchTemplate(Source(attack.template, "t")).render({"values": DATA, "mesh": {"name": "m"}})


def test_hostile_templates_take_little_memory_and_leave_none_behind() -> None:
    run_all()
    tracemalloc.start()
    left = []
    for _ in range(2):  # what is left behind is left each time; a table of the interpreter's grows once
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run_all()
        gc.collect()
        left.append(tracemalloc.get_traced_memory()[0] - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert min(left) < 1_000_000, left
    assert peak - before < 100_000_000
