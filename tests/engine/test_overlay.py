"""Overlays: what is left out, and how a finding names field, template line and fix."""

import pytest

from mesh_injector.documents import Origin
from mesh_injector.engine import overlay
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.overlay import FromDocuments, FromTemplate, Overlay
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason


def make(text: str, *, privileged: bool = True) -> Overlay:
    source = Source(text, "ConfigMap mesh-system/sidecar, key patch", Origin("mesh.yaml", 10, 5))
    return overlay.make(PatchTemplate(source).render({}), privileged=privileged)


def test_what_belongs_to_the_pod_alone_is_ignored_in_the_metadata() -> None:
    made = make("metadata: {name: x, namespace: y, uid: z, generateName: g, creationTimestamp: now, labels: {a: b}}")
    assert (made.metadata, made.spec) == ({"labels": {"a": "b"}}, {})


@pytest.mark.parametrize(
    "text", ["", "# nothing", "metadata: {}", "spec: {}", "metadata: {labels: {}}\nspec: {volumes: [], affinity: {podAffinity: {}}}"]
)
def test_a_template_without_content_brings_nothing(text: str) -> None:
    made = make(text)
    assert (made.metadata, made.spec) == ({}, {})


def test_empty_maps_and_lists_are_left_out_but_not_inside_items() -> None:
    made = make(
        """
spec:
  securityContext: {seLinuxOptions: {}, sysctls: [], fsGroup: 0}
  volumes: [{name: tmp, emptyDir: {}}]
  tolerations: [{key: "", operator: Exists}]
  containers:
    - {name: app, env: [], resources: {limits: {}}, securityContext: {capabilities: {add: []}}, stdin: false}
    - {name: envoy, image: "envoy:1", resources: {limits: {}}, env: []}
"""
    )
    assert made.spec == {
        "securityContext": {"fsGroup": 0},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "tolerations": [{"key": "", "operator": "Exists"}],
        "containers": [
            {"name": "app", "stdin": False},
            {"name": "envoy", "image": "envoy:1", "resources": {"limits": {}}, "env": []},
        ],
    }


def test_the_error_of_a_finding_names_field_line_and_fix_and_shows_the_place() -> None:
    with pytest.raises(InjectionError) as caught:
        make("spec:\n  containers:\n    - name: envoy\n      imagee: envoy:1\n")
    problem = caught.value.problem
    assert caught.value.reason is Reason.RENDERED_INVALID_POD
    assert problem.what.startswith("`spec.containers[0].imagee`: unknown field `imagee`")
    assert problem.where == "ConfigMap mesh-system/sidecar, key patch, line 4, column 7 (mesh.yaml:13:11)"
    assert problem.fix == "did you mean `image`?"
    assert "13 |       imagee: envoy:1" in problem.excerpt


def test_the_first_finding_is_told_with_the_number_of_the_others() -> None:
    with pytest.raises(InjectionError, match=r"`spec\.a`: unknown field `a` \(and 2 more\)"):
        make("spec: {dnsPolicyy: x, a: b, priority: high}")


def test_metadata_that_is_no_mapping_is_told() -> None:
    with pytest.raises(InjectionError, match="`metadata`: expected a map, found the list"):
        make("metadata: []\nspec: {}")


def test_a_field_that_gives_rights_needs_a_privileged_template() -> None:
    assert make("spec: {hostPID: true}").spec == {"hostPID": True}
    with pytest.raises(InjectionError) as caught:
        make("spec: {hostPID: true}", privileged=False)
    assert caught.value.reason is Reason.FIELD_NOT_ALLOWED


def test_an_overlay_makes_the_error_of_a_later_finding() -> None:
    made = make("spec:\n  hostname: x\n")
    error = made.error(Finding(("spec", "hostname"), "is wrong", "right it", Reason.NAME_COLLISION))
    assert str(error) == (
        "[MI403] `spec.hostname`: is wrong, at ConfigMap mesh-system/sidecar, key patch, line 2, column 3 (mesh.yaml:11:7); right it"
    )


def test_the_very_word_is_pointed_at_where_a_line_holds_several_fields() -> None:
    with pytest.raises(InjectionError) as caught:
        make("spec: {containers: [{name: envoy, imagee: envoy:1}]}")
    assert caught.value.problem.where == "ConfigMap mesh-system/sidecar, key patch, line 1, column 35 (mesh.yaml:10:39)"


@pytest.mark.parametrize("names", ["serviceAccount: mesh", "serviceAccount: other, serviceAccountName: mesh"])
def test_the_deprecated_name_of_the_service_account_is_another_name_of_the_field(names: str) -> None:
    assert make(f"spec: {{{names}}}").spec == {"serviceAccountName": "mesh"}


def test_an_overlay_that_is_told_by_another_rendering_is_the_same_and_shares_what_was_worked_out() -> None:
    first = make("spec: {hostname: x}")
    later = PatchTemplate(Source("\n\nspec: {hostname: x}", "the other")).render({})
    told = first.told_by(FromTemplate(later))
    assert (told.spec, told.sites is first.sites, told.outcomes is first.outcomes) == (first.spec, True, True)
    finding = Finding(("spec", "hostname"), "is wrong", "right it")
    assert told.error(finding).problem.where == "the other, line 3, column 8"
    assert first.error(finding).problem.where.startswith("ConfigMap mesh-system/sidecar, key patch, line 1")


@pytest.mark.parametrize("first", [True, False])
def test_an_overlay_says_where_its_init_containers_go(first: bool) -> None:
    body = {"spec": {"initContainers": [{"name": "a", "image": "b"}], "hostPID": True}}
    assert overlay.compose(body, FromDocuments({}), init_first=first).init_first is first
    assert overlay.make(PatchTemplate(Source("", "t")).render({}), privileged=False, init_first=first).init_first is first
    assert overlay.compose(body, FromDocuments({})).init_first is True
    assert overlay.make(PatchTemplate(Source("", "t")).render({}), privileged=False).init_first is True


def test_what_means_one_thing_stays_as_it_is_written() -> None:
    probe = {"httpGet": {"port": 1, "httpHeaders": []}}
    made = make(f"containers: [{{name: app, args: [-v, -v], livenessProbe: {probe}}}]")
    assert made.spec == {"containers": [{"name": "app", "args": ["-v", "-v"], "livenessProbe": probe}]}
