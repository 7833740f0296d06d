"""A question about a tried template is asked once for all meshes that give it the same to read, and the answers are those of each alone."""

import sys
from dataclasses import replace
from typing import Any

import pytest

from mesh_injector.documents import Document, Origin
from mesh_injector.engine.template import PatchTemplate
from mesh_injector.formats.mesh import hints, linting, load, tries
from mesh_injector.formats.mesh.mesh import Mesh

HOME = "mesh-system"


def a_mesh(name: str = "a", namespace: str = HOME, **spec: Any) -> Document:
    body = {
        "apiVersion": "mesh-injector.io/v1alpha1",
        "kind": "Mesh",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "enableAutoInject": True,
            "injectionSelector": {"podSelector": {"matchLabels": {"app": name}}},
            "sidecarPatchConfigMap": {"name": "proxy", "namespace": namespace},
            "values": {"image": "envoy:1", "other": 1},
            **spec,
        },
    }
    return Document(body, Origin(f"{name}.yaml", 1, 1))


def template(text: str, namespace: str = HOME) -> Document:
    metadata = {"name": "proxy", "namespace": namespace, "labels": {"mesh-injector.io/template": "true"}}
    return Document({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"patch": text}}, Origin("proxy.yaml", 1, 1))


def asked(text: str, *meshes: Document) -> list[str]:
    """Which meshes a question about their template is asked of, when it is asked of all in turn."""
    found: list[str] = []

    @tries.once
    def question(mesh: Mesh, _template: PatchTemplate) -> str:
        found.append(mesh.name)
        return mesh.name

    for mesh in load((template(text), *meshes)).meshes:
        assert mesh.template is not None
        answer = question(mesh, mesh.template)
        assert (answer == mesh.name) is (mesh.name in found)
    return found


READS = "containers: [{name: envoy, image: {{ values.image }}}]"


@pytest.mark.parametrize(
    ("text", "spec", "alone"),
    [
        (READS, {}, False),
        (READS, {"region": "eu-west-1", "priority": 3}, False),
        (READS, {"values": {"image": "envoy:1", "other": 2}}, False),
        (READS, {"values": {"image": "envoy:2", "other": 1}}, True),
        (READS, {"values": {"image": "envoy:1"}}, True),
        (READS, {"overrides": ["image"]}, True),
        (READS.replace("values.image", "values|get('image')"), {"values": {"image": "envoy:1", "other": 2}}, True),
        (READS + "{# {{ mesh_name }} #}", {}, False),
        (READS.replace("envoy, ", "{{ mesh_name }}, "), {}, True),
        (READS.replace("envoy, ", "{{ mesh.name }}, "), {}, True),
        (READS.replace("envoy, ", "{{ pod.metadata.name }}, "), {}, True),
        ("containers: [{name: envoy, image: e:1, tty: {{ values.other == 1 }}}]", {"values": {"image": "envoy:1", "other": True}}, True),
        ("containers: [{name: envoy, image: e:1, args: {{ values|list }}}]", {"values": {"other": 1, "image": "envoy:1"}}, True),
    ],
)
def test_a_mesh_is_asked_of_where_its_template_reads_something_else(text: str, spec: dict[str, Any], alone: bool) -> None:
    assert asked(text, a_mesh("a"), a_mesh("b", **spec)) == (["a", "b"] if alone else ["a"])


def test_what_may_bring_more_rights_is_asked_of_for_itself() -> None:
    def privileged(namespace: str) -> tuple[Mesh, PatchTemplate]:
        (mesh,) = load((template(READS, namespace), a_mesh(namespace=namespace))).meshes
        assert mesh.template is not None
        return mesh, mesh.template

    (home, one), (tenant, _) = privileged(HOME), privileged("shop")
    assert tries.key_of(home, one) != tries.key_of(tenant, one)


def test_values_that_are_nested_too_deeply_to_be_written_are_tried_each_time() -> None:
    deep: Any = 1
    for _ in range(sys.getrecursionlimit() * 2):
        deep = {"a": deep}
    (mesh,) = load((template(READS), a_mesh())).meshes
    assert mesh.template is not None
    nested = replace(mesh, spec=mesh.spec.model_copy(update={"values": {"image": deep}}))
    assert tries.key_of(nested, mesh.template) == b""
    assert tries.cost(nested, mesh.template) == tries.FAILED


BROKEN = {
    "an undefined value": "containers: [{name: envoy, image: {{ values.imag }}}]",
    "a word that is misspelt by some": "containers: [{name: envoy, image: e:1, imagePullPolicy: {{ values.image }}}]",
    "an image without a tag": "containers: [{name: envoy, image: envoy}]",
    "the name of the mesh": "containers: [{name: {{ mesh_name }}_, image: {{ values.image }}}]",
    "a branch": "containers: [{name: envoy, image: e:1{% if values.other == 1 %}, ports: 5{% endif %}}]",
}
MESHES = (
    a_mesh("a"),
    a_mesh("b"),
    a_mesh("c", values={"image": "Always", "other": 2}),
    a_mesh("d", values={"imagf": "envoy:1"}),
    a_mesh("e", values={"imagf": "envoy:1"}, overrides=["imag"]),
)


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_each_mesh_among_many_is_told_what_it_is_told_alone(text: str) -> None:
    together, alone = load((template(text), *MESHES)), [load((template(text), mesh)) for mesh in MESHES]
    assert {str(mesh): str(mesh.fault) for mesh in together.meshes} == {str(mesh): str(mesh.fault) for one in alone for mesh in one.meshes}
    assert set(together.problems) == {problem for one in alone for problem in one.problems}
    for mesh, (single,) in zip(together.meshes, (one.meshes for one in alone), strict=True):
        if mesh.template is not None and single.template is not None:
            for question in (linting._rendering, hints._of_rendering):
                assert question(mesh, mesh.template) == question(single, single.template)


def test_so_many_answers_are_kept_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "KEPT", 2)
    meshes = load((template(READS), *(a_mesh(name, values={"image": name}) for name in "abc"))).meshes
    found = []

    @tries.once
    def question(mesh: Mesh, _template: PatchTemplate) -> None:
        found.append(mesh.name)

    for mesh in (meshes[0], meshes[1], meshes[0], meshes[2], meshes[0]):
        assert mesh.template is not None
        question(mesh, mesh.template)
    assert found == ["a", "b", "c", "a"]
