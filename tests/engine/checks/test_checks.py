"""What makes a pod wrong: every check by a template that fails it and one that just passes."""

from typing import Any

import pytest

from mesh_injector.engine import checks
from mesh_injector.engine.checks import rights, values

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
        container(
            env=[{"name": "A b.c-d", "value": ""}, {"name": "B", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
        ),
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
        (container(image=""), "spec.containers[0].image", "is empty"),
        (container(image=" "), "spec.containers[0].image", "` ` has white space around it"),
        (container(env=[{"name": ""}]), "spec.containers[0].env[0].name", "is empty"),
        (container(env=[{"name": "A=B"}]), "spec.containers[0].env[0].name", "`A=B` is no name of a variable"),
        (
            container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]),
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
        (
            container(ports=[{"containerPort": 1, "protocol": "tcp"}]),
            "spec.containers[0].ports[0].protocol",
            '"tcp" is none of TCP, UDP, SCTP',
        ),
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
        (
            {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "a", "tty": True}]}},
            "spec.containers[1]",
            "the container name `a` stands twice in the template, and the one without an image is the pod's own",
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


@pytest.mark.parametrize("name", ["envoy\nevil: true", "e\x1b[2J", "\u202e"])
def test_what_a_finding_shows_of_a_value_breaks_no_line_and_no_terminal(name: str) -> None:
    ((_, what),) = told(container(name=name))
    assert what.isprintable()
    assert "is no DNS label" in what


def test_annotations_that_are_too_large_together_are_told_with_their_size() -> None:
    size = "take 262145 bytes, of 262144 allowed"
    assert told({"metadata": {"annotations": {"a": "x" * (256 * 1024)}}}) == [("metadata.annotations", size)]
    assert told({"metadata": {"annotations": {"a": "x" * (256 * 1024 - 1)}}}) == []


@pytest.mark.parametrize(
    "fields", [{"livenessProbe": {"tcpSocket": {"port": 1}}}, {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]
)
def test_a_container_that_is_only_added_to_is_judged_with_the_pods_own(fields: Json) -> None:
    assert told({"spec": {"initContainers": [{"name": "app", **fields}]}}) == []
    assert told({"spec": {"initContainers": [{"name": "app", "image": "x", **fields}]}}) != []


def test_what_the_schema_does_not_know_has_no_values_and_no_rights() -> None:
    assert list(values.find({"newer": 1}, None, ())) == []
    assert list(rights._walk({"newer": 1}, None, ())) == []


def test_only_a_restart_of_an_init_container_that_ends_is_refused_when_it_is_resized() -> None:
    policy = [{"resourceName": "cpu", "restartPolicy": "NotRequired"}, {"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    body = {"spec": {"initContainers": [{"name": "init", "image": "i", "resizePolicy": policy}]}}
    what = "RestartContainer is not for an init container that ends"
    assert told(body) == [("spec.initContainers[0].resizePolicy[1].restartPolicy", what)]
