"""What makes a pod wrong: every check by a template that fails it and one that just passes."""

import json
from typing import Any

import pytest

from mesh_injector.engine import checks, union
from mesh_injector.engine.pod import Pod
from mesh_injector.reasons import Reason

Json = dict[str, Any]


def container(**fields: Any) -> Json:
    return {"spec": {"containers": [{"name": "envoy", "image": "envoy:1", **fields}]}}


def told(body: Json, *, privileged: bool = True) -> list[tuple[str, str]]:
    return [(checks.field_name(finding.path), finding.what) for finding in checks.of_overlay(body, privileged=privileged)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": {}},
        {"spec": {}},
        {"metadata": {"labels": {"example.com/a": ""}, "annotations": {"Example.COM/a": "any text\n"}}},
        container(env=[{"name": "A b.c-d", "value": ""}, {"name": "B", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
        container(ports=[{"containerPort": 1, "name": "a" * 15}, {"containerPort": 65535, "hostPort": 0, "protocol": "SCTP"}]),
        container(ports=[{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]),
        {"spec": {"volumes": [{"name": "a" * 63}, {"name": "b", "emptyDir": {}}]}},
        {"spec": {"containers": [{"name": "app", "env": [{"name": "A"}]}]}},
    ],
)
def test_what_kubernetes_accepts_is_no_finding(body: Json) -> None:
    assert told(body) == []


@pytest.mark.parametrize(
    ("body", "field", "what"),
    [
        ({"spec": {"hostname": None}}, "spec.hostname", "a null"),
        ({"spec": {"volumes": [None]}}, "spec.volumes[0]", "a null"),
        ({"spec": {"$patch": "replace"}}, "spec.$patch", "a strategic merge directive"),
        ({"spec": {"$retainKeys": []}}, "spec.$retainKeys", "a strategic merge directive"),
        ({"status": {}}, "status", "`status` cannot come from a template"),
        (container(name="Envoy"), "spec.containers[0].name", "`Envoy` is no DNS label (RFC 1123)"),
        (container(name="a" * 64), "spec.containers[0].name", f"`{'a' * 64}` is no DNS label (RFC 1123)"),
        (container(image=" "), "spec.containers[0].image", "is empty"),
        (container(env=[{"name": ""}]), "spec.containers[0].env[0].name", "`''` is no name of a variable"),
        (container(env=[{"name": "A=B"}]), "spec.containers[0].env[0].name", "`'A=B'` is no name of a variable"),
        (
            container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "y"}}}]),
            "spec.containers[0].env[0]",
            "has both `value` and `valueFrom`",
        ),
        (container(env=[{"name": "A"}, {"name": "A"}]), "spec.containers[0].env[1]", "the env name `A` stands twice in the template"),
        (
            container(volumeMounts=[{"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": "/x"}]),
            "spec.containers[0].volumeMounts[1]",
            "the mount path `/x` stands twice in the template",
        ),
        (
            container(ports=[{"containerPort": 1}, {"containerPort": 1, "protocol": "TCP"}]),
            "spec.containers[0].ports[1]",
            "the port `1/TCP` stands twice in the template",
        ),
        (container(ports=[{"containerPort": 0}]), "spec.containers[0].ports[0].containerPort", "0 is no port number"),
        (container(ports=[{"containerPort": 1, "hostPort": 65536}]), "spec.containers[0].ports[0].hostPort", "65536 is no port number"),
        (container(ports=[{"containerPort": 1, "hostPort": -1}]), "spec.containers[0].ports[0].hostPort", "-1 is no port number"),
        (container(ports=[{"containerPort": 1, "protocol": "tcp"}]), "spec.containers[0].ports[0].protocol", "`tcp` is no protocol"),
        (
            container(ports=[{"containerPort": 1, "name": "a" * 16}]),
            "spec.containers[0].ports[0].name",
            f"`{'a' * 16}` (16 characters) is no port name (RFC 6335)",
        ),
        (
            container(ports=[{"containerPort": 1, "name": "80"}]),
            "spec.containers[0].ports[0].name",
            "`80` (2 characters) is no port name (RFC 6335)",
        ),
        (
            {"spec": {"containers": [{"name": "a", "image": "i"}], "initContainers": [{"name": "a", "image": "i"}]}},
            "spec.containers[0]",
            "the container name `a` stands twice in the template",
        ),
        ({"spec": {"volumes": [{"name": "a"}, {"name": "a"}]}}, "spec.volumes[1]", "the volume name `a` stands twice in the template"),
        ({"spec": {"volumes": [{"name": "a_b"}]}}, "spec.volumes[0].name", "`a_b` is no DNS label (RFC 1123)"),
        (
            {"spec": {"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}}]}},
            "spec.volumes[0]",
            "has several sources: emptyDir, hostPath",
        ),
        ({"metadata": {"labels": {"a b": "x"}}}, "metadata.labels.a b", "is no qualified name"),
        ({"metadata": {"labels": {"Example.COM/a": "x"}}}, "metadata.labels.Example.COM/a", "is no qualified name"),
        ({"metadata": {"labels": {"a": "x y"}}}, "metadata.labels.a", "'x y' is no label value"),
        ({"metadata": {"annotations": {"": "x"}}}, "metadata.annotations.", "is no qualified name"),
        (
            {"metadata": {"annotations": {"mesh-injector.io/status": "{}"}}},
            "metadata.annotations.mesh-injector.io/status",
            "is the record, which the injector writes itself",
        ),
    ],
)
def test_what_kubernetes_would_refuse_or_drop_is_told_with_its_field(body: Json, field: str, what: str) -> None:
    assert told(body) == [(field, what)]


def test_structure_comes_before_meaning() -> None:
    assert [what for _, what in told(container(imagee="x", env=[{"name": ""}]))] == ["unknown field `imagee`"]


HOME_ONLY: list[tuple[str, Json]] = [
    ("metadata.ownerReferences", {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}]}}),
    ("metadata.finalizers", {"metadata": {"finalizers": ["example.com/x"]}}),
    *((f"spec.{name}", {"spec": {name: True}}) for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")),
    *(
        (f"spec.{name}", {"spec": {name: "x"}})
        for name in ("nodeName", "serviceAccountName", "serviceAccount", "priorityClassName", "runtimeClassName")
    ),
    ("spec.priority", {"spec": {"priority": 5}}),
    ("spec.volumes[0].hostPath", {"spec": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}}),
    ("spec.securityContext.seccompProfile", {"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}),
    ("spec.securityContext.appArmorProfile", {"spec": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}}),
    ("spec.containers[0].securityContext.privileged", container(securityContext={"privileged": True})),
    ("spec.containers[0].securityContext.capabilities.add", container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}})),
    ("spec.containers[0].securityContext.procMount", container(securityContext={"procMount": "Unmasked"})),
    ("spec.containers[0].securityContext.seccompProfile", container(securityContext={"seccompProfile": {"type": "Unconfined"}})),
    (
        "spec.initContainers[0].securityContext.privileged",
        {"spec": {"initContainers": [{"name": "a", "securityContext": {"privileged": True}}]}},
    ),
]


@pytest.mark.parametrize(("field", "body"), HOME_ONLY)
def test_fields_that_give_rights_are_for_templates_at_home(field: str, body: Json) -> None:
    findings = checks.of_overlay(body, privileged=False)
    assert [(checks.field_name(finding.path), finding.reason) for finding in findings] == [(field, Reason.FIELD_NOT_ALLOWED)]
    assert checks.of_overlay(body, privileged=True) == []


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"ownerReferences": [], "finalizers": []}},
        {"spec": {"hostNetwork": False, "shareProcessNamespace": False, "serviceAccountName": "", "priority": 0}},
        {"spec": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}},
        container(securityContext={"privileged": False, "capabilities": {"drop": ["ALL"], "add": []}, "procMount": "Default"}),
    ],
)
def test_rights_are_judged_by_value(body: Json) -> None:
    assert checks.of_overlay(body, privileged=False) == []


def together(pod_spec: Json, spec: Json) -> list[tuple[str, str]]:
    pod = Pod(json.dumps({"spec": pod_spec}).encode())
    return [(checks.field_name(finding.path), finding.what) for finding in union.find(pod, spec)]


MOUNTING = {"containers": [{"name": "envoy", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/x"}]}]}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [([{"name": "data"}], []), ([], [{"name": "data"}]), (None, [{"name": "data"}]), (["odd", {"name": "data"}], [])],
)
def test_a_mount_finds_its_volume_in_the_pod_or_the_template(theirs: Any, ours: Any) -> None:
    assert together({"volumes": theirs}, {**MOUNTING, "volumes": ours}) == []


@pytest.mark.parametrize("theirs", [None, [], [{"name": "other"}], [None], {"data": 1}, "data"])
def test_a_mount_without_a_volume_is_told(theirs: Any) -> None:
    what = "mounts the volume `data`, which neither the template nor the pod has"
    assert together({"volumes": theirs}, MOUNTING) == [("spec.containers[0].volumeMounts[0]", what)]


def port(number: int, host: int | None = None, **more: Any) -> Json:
    return {"containerPort": number, **({} if host is None else {"hostPort": host}), **more}


def with_ports(name: str, *ports: Json) -> Json:
    return {"containers": [{"name": name, "ports": list(ports)}]}


@pytest.mark.parametrize(
    "theirs",
    [with_ports("app", port(80, 443)), with_ports("app", port(80, 443, protocol="TCP")), with_ports("app", port(80, 443, hostIP=""))],
)
def test_a_host_port_that_is_taken_is_told_with_its_owner(theirs: Json) -> None:
    what = "the host port 443/TCP is taken by the container `app`"
    assert together(theirs, with_ports("envoy", port(1), port(8443, 443))) == [("spec.containers[0].ports[1].hostPort", what)]


@pytest.mark.parametrize(
    "theirs",
    [
        {"containers": None},
        with_ports("app", port(443)),
        with_ports("app", port(80, 0)),
        with_ports("app", port(80, 443, protocol="UDP")),
        with_ports("app", port(80, 443, hostIP="10.0.0.1")),
        {"containers": [{"name": "app", "ports": None}]},
        {"containers": [], "initContainers": [{"name": "app", "ports": [port(80, 443)]}]},
    ],
)
def test_a_free_host_port_is_no_finding(theirs: Json) -> None:
    assert together(theirs, with_ports("envoy", port(8443, 443))) == []


def test_a_port_that_the_container_has_already_does_not_clash_with_itself() -> None:
    assert together(with_ports("app", port(80, 443)), with_ports("app", port(80, 443))) == []
    assert len(together(with_ports("app", port(80, 443)), with_ports("app", port(81, 443)))) == 1


def test_two_containers_of_a_template_on_one_host_port_clash() -> None:
    ours = {"containers": [{"name": "a", "ports": [port(1, 443)]}, {"name": "b", "ports": [port(1, 443)]}]}
    what = "the host port 443/TCP is taken by the container `a`"
    assert together({}, ours) == [("spec.containers[1].ports[0].hostPort", what)]


def test_host_ports_of_init_containers_do_not_count() -> None:
    ours = {"initContainers": [{"name": "i", "ports": [port(1, 443)]}]}
    assert together(with_ports("app", port(80, 443)), ours) == []
