"""What only pod and template together make wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_injector.engine import checks, merged
from mesh_injector.engine.checks import around, relations
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.union import Union

Json = dict[str, Any]


def together(pod_spec: Json, spec: Json, annotations: dict[str, str] | None = None) -> list[tuple[str, str]]:
    pod = Pod(json.dumps({"spec": pod_spec}).encode())
    return [(checks.field_name(finding.path), finding.what) for finding in Union(spec, {"annotations": annotations or {}}).find(pod)]


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


def test_with_the_network_of_the_node_every_port_is_one_of_the_node() -> None:
    ours = {"hostNetwork": True, **with_ports("envoy", port(80))}
    what = "the host port 80/TCP is taken by the container `app`"
    assert together(with_ports("app", port(80)), ours) == [("spec.containers[0].ports[0].hostPort", what)]
    assert together(with_ports("app", port(81)), ours) == []


def with_app(**fields: Any) -> Json:
    return {"containers": [{"name": "app", **fields}]}


RUNS = {"exec": {"command": ["true"]}}


@pytest.mark.parametrize(
    ("theirs", "ours", "field", "what"),
    [
        (
            with_app(ports=[port(1, name="http")]),
            with_app(ports=[port(2, name="http")]),
            "ports",
            "the port name `http` stands twice in one container",
        ),
        (
            with_app(securityContext={"privileged": True}),
            with_app(securityContext={"allowPrivilegeEscalation": False}),
            "securityContext",
            "`privileged: true` contradicts `allowPrivilegeEscalation: false`",
        ),
        (
            with_app(resources={"requests": {"cpu": "2"}}),
            with_app(resources={"limits": {"cpu": "1"}}),
            "resources",
            "requests cpu 2 and is limited to 1",
        ),
        (
            with_app(volumeDevices=[{"name": "a", "devicePath": "/x"}], volumeMounts=[]),
            {**with_app(volumeMounts=[{"name": "a", "mountPath": "/y"}]), "volumes": [{"name": "a"}]},
            "",
            "is a volume or path that is mounted too",
        ),
        (
            with_app(),
            with_app(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
            "lifecycle",
            "sleeps 31 seconds, and the pod has 30 to end (`terminationGracePeriodSeconds`)",
        ),
        (
            {"initContainers": [{"name": "app"}]},
            {"initContainers": [{"name": "app", "livenessProbe": RUNS}]},
            "livenessProbe",
            "is not for an init container that ends",
        ),
    ],
)
def test_what_pod_and_template_make_wrong_in_one_container_is_told_at_ours(theirs: Json, ours: Json, field: str, what: str) -> None:
    kind = next(iter(theirs))
    where = f"spec.{kind}[0]" + (f".{field}" if field else "")
    assert together(theirs, ours) == [(where, f"{what}, in the pod as it would be")]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (with_app(ports=[port(1, name="http"), port(3, name="http")]), with_app(ports=[port(2, name="dns")])),
        (with_app(ports=[port(1, name="http")]), {"containers": [{"name": "envoy", "image": "x", "ports": [port(2, name="http")]}]}),
        (
            with_app(securityContext={"allowPrivilegeEscalation": True}),
            with_app(securityContext={"allowPrivilegeEscalation": False, "privileged": True}),
        ),
        (with_app(resources={"requests": {"cpu": "1"}}), with_app(resources={"requests": {"cpu": "3"}, "limits": {"cpu": "2"}})),
        ({"initContainers": [{"name": "app", "restartPolicy": "Always"}]}, {"initContainers": [{"name": "app", "livenessProbe": RUNS}]}),
        ({**with_app(), "terminationGracePeriodSeconds": 60}, with_app(lifecycle={"preStop": {"sleep": {"seconds": 31}}})),
        (with_app(lifecycle={"preStop": RUNS}), with_app(lifecycle={"preStop": {"sleep": {"seconds": 31}}})),
        ({"hostPID": True, "shareProcessNamespace": True}, {"hostPID": True}),
        ({"dnsConfig": {"nameservers": ["1.1.1.1"]}}, {"dnsPolicy": "None"}),
        ({"shareProcessNamespace": False}, {"hostPID": True, "shareProcessNamespace": True}),
    ],
)
def test_what_the_pod_wins_or_had_before_is_not_ours_to_tell(theirs: Json, ours: Json) -> None:
    assert together(theirs, ours) == []


@pytest.mark.parametrize(
    ("theirs", "ours", "field", "what"),
    [
        ({"dnsPolicy": "ClusterFirst"}, {"dnsPolicy": "None"}, "spec.dnsPolicy", "None needs `dnsConfig.nameservers`"),
        ({"shareProcessNamespace": True}, {"hostPID": True}, "spec.hostPID", "does not go with `hostPID: true`"),
        ({"hostUsers": False}, {"hostIPC": True}, "spec.hostIPC", "`hostUsers: false` does not go with `hostIPC: true`"),
        ({"schedulingGates": [{"name": "a/b"}]}, {"nodeName": "n"}, "spec.nodeName", "does not go with `schedulingGates`"),
        ({"os": {"name": "windows"}}, {"securityContext": {"fsGroup": 1}}, "spec.securityContext", "is not for a pod of windows"),
    ],
)
def test_what_pod_and_template_make_wrong_in_the_spec_is_told_at_our_field(theirs: Json, ours: Json, field: str, what: str) -> None:
    assert together(theirs, ours) == [(field, f"{what}, in the pod as it would be")]


def test_an_annotation_about_a_container_that_is_not_there_is_told() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/envoy"
    what = "is about the container `envoy`, which is not there"
    assert together(with_app(), {}, {key: "runtime/default"}) == [(f"metadata.annotations.{key}", what)]
    assert together(with_app(), {"containers": [{"name": "envoy", "image": "x"}]}, {key: "runtime/default"}) == []
    assert together({"containers": [{"name": "envoy"}]}, {}, {key: "runtime/default"}) == []


ODD = ["text", 5, True, ["text"], [5], [None], {"a": 5}, {"limits": {"cpu": None}}, {"preStop": "x"}]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "field", ["securityContext", "resources", "lifecycle", "livenessProbe", "volumeMounts", "volumeDevices", "env", "restartPolicy"]
)
def test_a_pod_whose_members_are_of_the_wrong_types_is_left_to_the_api_server(field: str, odd: Any) -> None:
    brought = {
        "securityContext": {"allowPrivilegeEscalation": False},
        "resources": {"requests": {"cpu": "1"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
        "livenessProbe": RUNS,
        "volumeMounts": [{"name": "a", "mountPath": "/a"}],
        "env": [{"name": "A", "value": "x"}],
    }
    assert together(with_app(**{field: odd}), {**with_app(**brought), "volumes": [{"name": "a", "emptyDir": {}}]}) == []
    spec_fields = ("os", "dnsConfig", "hostUsers", "terminationGracePeriodSeconds", "resourceClaims", "volumes")
    together({**with_app(), **dict.fromkeys(spec_fields, odd)}, {**with_app(**brought), "dnsPolicy": "None"})


CASES = json.loads((Path(__file__).parent / "checks" / "kubernetes_cases.json").read_bytes())["cases"]
OVERLAYS = [
    case["template"]["spec"] for case in CASES if "spec" in case["template"] and not checks.of_overlay(case["template"], privileged=True)
]
PLAIN = {"containers": [{"name": "app", "image": "a"}, {"name": "side", "image": "s"}], "initContainers": [{"name": "first", "image": "f"}]}
PODS = [PLAIN, *(case["pod"] for case in CASES if "pod" in case), *(PLAIN | spec for spec in OVERLAYS[::8])]


def every_rule(pod: Pod, spec: Json) -> set[str]:
    """What all rules say of a pod with an overlay on it, whichever of them the overlay concerns."""
    after = merged.spec_of(pod, spec)
    found: list[Finding] = [one for _, rule in around.SPEC_RULES for one in rule(after)]
    for kind, container in containers_of(pod, spec):
        found += relations.of_container(container, kind)
        found += [one for _, _, rule in around.CONTAINER_RULES for one in rule(container, after)]
    return {one.what for one in found}


def containers_of(pod: Pod, spec: Json) -> Iterator[tuple[str, Any]]:
    for kind in CONTAINER_LISTS:
        ours = {container["name"]: container for container in spec.get(kind, ())}
        for theirs in pod.init_containers if kind == "initContainers" else pod.containers:
            yield kind, merged.container_of(theirs, ours.pop(theirs.name, {}))
        yield from ((kind, container) for container in ours.values() if "image" in container)


def without_images(spec: Json) -> Json:
    """The same overlay, that adds to containers of the pod."""
    lists = {
        kind: [{key: value for key, value in one.items() if key != "image"} for one in spec[kind]]
        for kind in CONTAINER_LISTS
        if kind in spec
    }
    return spec | lists


@pytest.mark.parametrize("theirs", PODS, ids=lambda theirs: json.dumps(theirs)[:60])
def test_no_rule_that_would_find_something_new_is_left_out_for_speed(theirs: Json) -> None:
    pod = Pod.from_document({"spec": theirs})
    before = every_rule(pod, {})
    names = {container.name for container in (*pod.containers, *pod.init_containers)}
    for overlay in OVERLAYS:
        taken = not names.isdisjoint(one["name"] for kind in CONTAINER_LISTS for one in overlay.get(kind, ()))
        for spec in (without_images(overlay),) if taken else (overlay, without_images(overlay)):
            told = " ".join(what for _, what in together(theirs, spec))
            assert [what for what in every_rule(pod, spec) - before if what not in told] == []


def test_a_bug_in_a_rule_is_raised_and_never_taken_for_a_good_pod() -> None:
    with pytest.raises(AttributeError):  # an overlay whose structure was never checked stands for a bug of ours
        list(Union({"dnsPolicy": "None", "dnsConfig": 5}).find(Pod(b'{"spec": {}}')))


def test_a_second_controller_is_told() -> None:
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "controller": True}
    pod = Pod.from_document({"metadata": {"ownerReferences": [{**owner, "uid": "1"}]}, "spec": {}})
    assert [one.path for one in Union({}, {"ownerReferences": [{**owner, "uid": "2"}]}).find(pod)] == [("metadata", "ownerReferences")]
    assert list(Union({}, {"ownerReferences": [{**owner, "uid": "1"}]}).find(pod)) == []
    assert list(Union({}, {"ownerReferences": [{**owner, "uid": "2", "controller": False}]}).find(pod)) == []
