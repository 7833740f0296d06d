"""The Mesh as its author writes it: defaults, bounds, and problems with their place in the file."""

from typing import Any

import pytest

from mesh_injector import documents, reasons
from mesh_injector.documents import fitting
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh import spec
from mesh_injector.formats.mesh.spec import ConfigMapRef, InjectionSelector, MeshSpec


def parse(text: str) -> tuple[MeshSpec | None, tuple[Problem, ...]]:
    head = "apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {name: shop}\n"
    (document,) = documents.parse(head + text, "mesh.yaml").documents
    return spec.parse(document)


@pytest.mark.parametrize("text", ["", "spec:", "spec: {}", "spec: {mode: null, values: null, injectionSelector: null, overrides: null}"])
def test_absent_and_null_fields_have_their_defaults(text: str) -> None:
    assert parse(text) == (
        MeshSpec(
            enableAutoInject=False,
            region=None,
            virtualNodeLabel="mesh-injector.io/virtual-node",
            injectionSelector=None,
            sidecarPatchConfigMap=None,
            values={},
            overrides=(),
            requireContainerPorts=True,
            initContainers="First",
            mode="Enforce",
            onError="Fail",
            priority=0,
        ),
        (),
    )


def test_every_field_is_read() -> None:
    found, problems = parse(
        """
spec:
  enableAutoInject: true
  region: eu-west-1
  virtualNodeLabel: example.com/node
  injectionSelector: {podSelector: {}, namespaceSelector: null}
  sidecarPatchConfigMap: {name: envoy.sidecar, namespace: other, key: patch.yaml.j2}
  values: {image: "envoy:1", deep: {count: 3, list: [true, null]}}
  overrides: [image]
  requireContainerPorts: false
  initContainers: Last
  mode: Audit
  onError: Ignore
  priority: -5
"""
    )
    assert problems == ()
    assert found is not None
    assert found.model_dump() == {
        "enable_auto_inject": True,
        "region": "eu-west-1",
        "virtual_node_label": "example.com/node",
        "injection_selector": InjectionSelector(podSelector={}, namespaceSelector=None).model_dump(),
        "sidecar_patch_config_map": ConfigMapRef(name="envoy.sidecar", namespace="other", key="patch.yaml.j2").model_dump(),
        "values": {"image": "envoy:1", "deep": {"count": 3, "list": [True, None]}},
        "overrides": ("image",),
        "require_container_ports": False,
        "init_containers": "Last",
        "mode": "Audit",
        "on_error": "Ignore",
        "priority": -5,
    }


WRONG: list[tuple[str, str]] = [
    ('enableAutoInject: "true"', "`spec.enableAutoInject`: must be true or false, without quotes, found 'true'"),
    ("region: EU", "`spec.region`: must match ^[a-z0-9-]{1,63}$, found 'EU'"),
    ('region: ""', "`spec.region`: must match ^[a-z0-9-]{1,63}$, found ''"),
    ("region: 5", "`spec.region`: must be text, found 5"),
    ('priority: "5"', "`spec.priority`: must be a whole number, without quotes, found '5'"),
    ("priority: true", "`spec.priority`: must be a whole number, without quotes, found True"),
    ("priority: 2147483648", "`spec.priority`: must be at most 2147483647, found 2147483648"),
    ("mode: audit", "`spec.mode`: must be 'Enforce' or 'Audit', found 'audit'"),
    ("onError: Warn", "`spec.onError`: must be 'Fail' or 'Ignore', found 'Warn'"),
    ("initContainers: first", "`spec.initContainers`: must be 'First' or 'Last', found 'first'"),
    ("overrides: image", "`spec.overrides`: must be a list, found 'image'"),
    ("overrides: [image, 5]", "`spec.overrides.1`: must be text, found 5"),
    ("values: [a]", "`spec.values`: must be a mapping, found ['a']"),
    ("virtualNodeLabel: a b", "`spec.virtualNodeLabel`: must match "),
    ("injectionSelector: []", "`spec.injectionSelector`: "),
    ("injectionSelector: {podSelector: x}", "`spec.injectionSelector.podSelector`: must be a mapping, found 'x'"),
    ("sidecarPatchConfigMap: {}", "`spec.sidecarPatchConfigMap.name`: is required"),
    ("sidecarPatchConfigMap: {name: A}", "`spec.sidecarPatchConfigMap.name`: must match "),
    ("sidecarPatchConfigMap: {name: a, namespace: a.b}", "`spec.sidecarPatchConfigMap.namespace`: must match "),
    ("sidecarPatchConfigMap: {name: a, key: a/b}", "`spec.sidecarPatchConfigMap.key`: must match "),
]


@pytest.mark.parametrize(("field", "what"), WRONG)
def test_a_wrong_field_is_told_with_its_place_and_what_it_must_be(field: str, what: str) -> None:
    found, (problem,) = parse(f"spec: {{{field}}}")
    assert found is None
    assert problem.what.startswith(what)
    assert (problem.code, problem.where.startswith("mesh.yaml:4:")) == (reasons.FIELD_WRONG, True)
    fixes = {"whole": "write a number", "text": "put it in quotes", "required": "add it", "true": "write true or false"}
    assert problem.fix.startswith(next((fix for word, fix in fixes.items() if word in what), "see the reference"))


@pytest.mark.parametrize(
    ("field", "name", "fix"),
    [
        ("enableAutoinject: true", "spec.enableAutoinject", "did you mean `enableAutoInject`?"),
        ("injectionSelector: {podselector: {}}", "spec.injectionSelector.podselector", "did you mean `podSelector`?"),
        ("injectionSelector: {x: {}}", "spec.injectionSelector.x", "the fields here are namespaceSelector, podSelector"),
        ("sidecarPatchConfigMap: {name: a, keys: b}", "spec.sidecarPatchConfigMap.keys", "did you mean `key`?"),
    ],
)
def test_an_unknown_field_is_told_with_what_it_may_have_meant(field: str, name: str, fix: str) -> None:
    _, (problem,) = parse(f"spec: {{{field}}}")
    assert (problem.code, problem.what, problem.fix) == (reasons.FIELD_UNKNOWN, f"a Mesh has no field `{name}`", fix)


@pytest.mark.parametrize(
    ("field", "what", "fix"),
    [
        (f"virtualNodeLabel: {'a' * 400}", "`spec.virtualNodeLabel`: must have at most 317 characters", "shorten it"),
        (
            f"overrides: [{', '.join(f'v{n}' for n in range(65))}]",
            "`spec.overrides`: must have at most 64 entries, found 65",
            "leave some out",
        ),
        ("overrides: [a, b, a]", "`spec.overrides.2`: is in the list twice, found 'a'", "remove one of them"),
        (
            f"injectionSelector: {{podSelector: {{matchLabels: {{{', '.join(f'l{n}: x' for n in range(65))}}}}}}}",
            "`spec.injectionSelector.podSelector.matchLabels`: must have at most 64 entries, found 65",
            "leave some out",
        ),
    ],
)
def test_a_field_out_of_bounds_is_told_with_its_bound(field: str, what: str, fix: str) -> None:
    found, (problem,) = parse(f"spec: {{{field}}}")
    assert (found, problem.code, problem.fix) == (None, reasons.FIELD_WRONG, fix)
    assert problem.what.startswith(what)


def test_a_selector_that_is_only_wrong_is_left_to_the_engine() -> None:
    found, problems = parse("spec: {injectionSelector: {podSelector: {matchExpressions: [{key: a, operator: Gt}]}}}")
    assert (found is not None, problems) == (True, ())


def test_all_that_is_wrong_is_told_at_once_with_line_column_and_excerpt() -> None:
    _, problems = parse("spec:\n  mode: audit\n  regions: x\n  priority: high\n")
    assert sorted(problem.where for problem in problems) == ["mesh.yaml:5:9", "mesh.yaml:6:3", "mesh.yaml:7:13"]
    (excerpt,) = (problem.excerpt for problem in problems if problem.where == "mesh.yaml:5:9")
    assert excerpt.splitlines()[-2:] == ["  5 |   mode: audit", "    |         ^"]


@pytest.mark.parametrize("text", ["spec: text", "spec: []", "spec: 5"])
def test_a_spec_that_is_no_mapping_is_told(text: str) -> None:
    found, (problem,) = parse(text)
    assert (found, problem.what, problem.where) == (None, "`spec` must be a mapping", "mesh.yaml:4:7")


def test_a_field_inside_values_may_be_anything() -> None:
    found, _ = parse("spec: {values: {anything: {goes: [1, null]}}}")
    assert found is not None
    expected: dict[str, Any] = {"anything": {"goes": [1, None]}}
    assert found.values == expected


@pytest.mark.parametrize("count", [fitting.TOLD, fitting.TOLD + 1, 3_000])
def test_of_many_problems_twenty_are_told_and_the_others_counted(count: int) -> None:
    _, problems = parse("spec:\n  overrides:\n" + "".join(f"  - x!{at}\n" for at in range(count)))
    assert [problem.where for problem in problems[: fitting.TOLD]] == [f"mesh.yaml:{6 + at}:5" for at in range(fitting.TOLD)]
    assert [(problem.what, problem.where) for problem in problems[fitting.TOLD :]] == (
        [(f"`spec` has {count:,} problems; the others are not told", "mesh.yaml:5:3")] if count > fitting.TOLD else []
    )
