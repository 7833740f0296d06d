"""Every member of a pod, its containers and its metadata that a template may bring, in each state in which the pod can have it.

Placing must give what a merge of plain dictionaries gives, come out exactly, stay as it is on a second pass, and make no pod invalid.
A member that Kubernetes has and the table below lacks fails: a new release needs a row here.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings

from mesh_injector.engine import checks, record, schema
from mesh_injector.engine.outcome import Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.reasons import Reason
from tests.test_laws import Always, Json, Refused, applied, cases, injected, naive_merge, without_nulls

SELECTOR = {"labelSelector": {"matchLabels": {"a": "b"}}}
PROBE = {"tcpSocket": {"port": 80}}
REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"

SPEC: Json = {
    "activeDeadlineSeconds": (60, 30),
    "affinity": (
        {"podAntiAffinity": {REQUIRED: [{"topologyKey": "zone"}]}, "nodeAffinity": {PREFERRED: [{"weight": 1, "preference": {}}]}},
        {"podAntiAffinity": {REQUIRED: [{"topologyKey": "host"}], PREFERRED: []}, "nodeAffinity": {}},
    ),
    "automountServiceAccountToken": (False, True),
    "dnsConfig": ({"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "1"}]}, {"nameservers": ["8.8.8.8"]}),
    "dnsPolicy": ("Default", "ClusterFirstWithHostNet"),
    "enableServiceLinks": (False, True),
    "evictionResponders": ([{"name": "example.com/a", "priority": 1}], [{"name": "example.com/b", "priority": 2}]),
    "hostAliases": ([{"ip": "10.0.0.1", "hostnames": ["a"]}], [{"ip": "10.0.0.1", "hostnames": ["b"]}]),
    "hostIPC": (True, False),
    "hostNetwork": (True, False),
    "hostPID": (True, False),
    "hostUsers": (False, True),
    "hostname": ("ours", "theirs"),
    "hostnameOverride": ("ours", "theirs"),
    "imagePullSecrets": ([{"name": "ours"}], [{"name": "theirs"}]),
    "nodeName": ("ours", "theirs"),
    "nodeSelector": ({"disk": "ssd", "x": "y"}, {"disk": "hdd"}),
    "os": ({"name": "linux"}, {"name": "windows"}),
    "overhead": ({"cpu": "10m"}, {"cpu": "20m"}),
    "preemptionPolicy": ("Never", "PreemptLowerPriority"),
    "priority": (10, 20),
    "priorityClassName": ("high", "low"),
    "readinessGates": ([{"conditionType": "a/b"}], [{"conditionType": "c/d"}]),
    "resourceClaims": (
        [{"name": "gpu", "resourceClaimName": "one"}],
        [{"name": "gpu", "resourceClaimName": "two"}, {"name": "x", "resourceClaimName": "three"}],
    ),
    "resources": ({"limits": {"cpu": "1"}}, {"limits": {"memory": "1Gi"}}),
    "restartPolicy": ("Never", "OnFailure"),
    "runtimeClassName": ("ours", "theirs"),
    "schedulerName": ("ours", "theirs"),
    "schedulingGates": ([{"name": "a/b"}], [{"name": "c/d"}]),
    "schedulingGroup": ({"podGroupName": "ours"}, {"podGroupName": "theirs"}),
    "securityContext": ({"fsGroup": 1, "supplementalGroups": [1]}, {"fsGroup": 2, "runAsUser": 5}),
    "serviceAccount": ("ours", "theirs"),
    "serviceAccountName": ("ours", "theirs"),
    "setHostnameAsFQDN": (True, False),
    "shareProcessNamespace": (True, False),
    "subdomain": ("ours", "theirs"),
    "terminationGracePeriodSeconds": (60, 10),
    "tolerations": ([{"key": "a", "operator": "Exists"}], [{"key": "a", "value": "b", "effect": "NoSchedule"}]),
    "topologySpreadConstraints": (
        [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1, **SELECTOR}],
        [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2}],
    ),
    "volumes": ([{"name": "tmp", "emptyDir": {}}], [{"name": "own", "configMap": {"name": "x"}}]),
}
CONTAINER: Json = {
    "args": (["a"], ["b", "c"]),
    "command": (["a"], ["b", "c"]),
    "env": ([{"name": "A", "value": "1"}], [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}]),
    "envFrom": ([{"configMapRef": {"name": "one"}}], [{"secretRef": {"name": "two"}}]),
    "imagePullPolicy": ("Always", "Never"),
    "lifecycle": ({"preStop": {"exec": {"command": ["a"]}}}, {"postStart": {"exec": {"command": ["b"]}}}),
    "livenessProbe": (PROBE, {"exec": {"command": ["x"]}}),
    "ports": ([{"containerPort": 80}], [{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 90, "name": "web"}]),
    "readinessProbe": (PROBE, {"exec": {"command": ["x"]}}),
    "resizePolicy": (
        [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
        [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}],
    ),
    "resources": ({"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}, {"limits": {"cpu": "2", "memory": "1Gi"}}),
    "restartPolicy": ("Always", "Never"),
    "restartPolicyRules": (
        [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}],
        [{"action": "Restart", "exitCodes": {"operator": "In", "values": [2]}}],
    ),
    "securityContext": ({"runAsUser": 1, "capabilities": {"drop": ["ALL"]}}, {"runAsUser": 2, "privileged": False}),
    "startupProbe": (PROBE, {"exec": {"command": ["x"]}}),
    "stdin": (True, False),
    "stdinOnce": (True, False),
    "terminationMessagePath": ("/ours", "/theirs"),
    "terminationMessagePolicy": ("FallbackToLogsOnError", "File"),
    "tty": (True, False),
    "volumeDevices": ([{"name": "block", "devicePath": "/dev/a"}], [{"name": "block", "devicePath": "/dev/b"}]),
    "volumeMounts": ([{"name": "data", "mountPath": "/x"}], [{"name": "data", "mountPath": "/y"}, {"name": "certs", "mountPath": "/x"}]),
    "workingDir": ("/ours", "/theirs"),
}
METADATA: Json = {
    "annotations": ({"a": "1", "x.y/z": "2"}, {"a": "2"}),
    "finalizers": (["ours/f"], ["theirs/f"]),
    "labels": ({"a": "1", "x.y/z": "2"}, {"a": "2"}),
    "ownerReferences": (
        [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}],
        [{"apiVersion": "v1", "kind": "Pod", "name": "y", "uid": "2"}],
    ),
}
"""What a template brings and another value of the pod's own, by member."""

ESSENCE = {"name", "image", "containers", "initContainers"}
"""Members that make a container or are lists of them: the laws of test_laws.py bring them in every case."""


def node(*path: str) -> schema.Node:
    found: Any = schema.POD
    for name in path:
        found = found.field(name)
    inner: schema.Node = found if found.kind != "list" else found.item()
    return inner


@pytest.mark.parametrize(
    ("table", "path"),
    [(SPEC, ("spec",)), (CONTAINER, ("spec", "containers")), (CONTAINER, ("spec", "initContainers")), (METADATA, ("metadata",))],
)
def test_every_member_that_kubernetes_has_is_tried(table: Json, path: tuple[str, ...]) -> None:
    assert set(table) == set(node(*path).fields) - ESSENCE


EMPTY: dict[type, Any] = {str: "", list: [], dict: {}, bool: False, int: 0}
STATES = ("absent", "null", "empty", "equal", "other", "both")


def theirs(state: str, ours: Any, other: Any) -> Iterator[Any]:
    """The value that the pod has; nothing when it has none."""
    if state == "both":
        union = [*other, *ours] if isinstance(ours, list) else {**ours, **other} if isinstance(ours, dict) else other
        yield distinct(union) if isinstance(union, list) else union
    elif state != "absent":
        yield {"null": None, "empty": EMPTY[type(ours)], "equal": ours, "other": other}[state]


def distinct(items: list[Any]) -> list[Any]:
    """Leave out what a pod could not have twice."""
    keys = ("mountPath", "containerPort", "topologyKey", "devicePath", "name")
    seen: dict[str, Any] = {}
    for item in items:
        found = [str(item[key]) + str(item.get("protocol", "TCP")) for key in keys if isinstance(item, dict) and key in item]
        seen.setdefault(found[0] if found else json.dumps(item), item)
    return list(seen.values())


def body(**spec: Any) -> Json:
    volumes = [
        {"name": "data", "emptyDir": {}},
        {"name": "certs", "emptyDir": {}},
        {"name": "block", "persistentVolumeClaim": {"claimName": "block"}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cart"},
        "spec": {
            "initContainers": [{"name": "setup", "image": "s"}],
            "containers": [{"name": "app", "image": "a"}],
            "volumes": volumes,
            **spec,
        },
    }


CASES = [
    *(("spec", name, state) for name in SPEC for state in STATES),
    *(("metadata", name, state) for name in METADATA for state in STATES),
    *((kind, name, state) for kind in ("containers", "initContainers") for name in CONTAINER for state in STATES),
]


NEEDED: Json = {
    name: {"restartPolicy": "Always"} for name in ("lifecycle", *(f"{probe}Probe" for probe in ("liveness", "readiness", "startup")))
}
NEEDED |= {"restartPolicyRules": {"restartPolicy": "Always"}}
"""Without which Kubernetes would refuse a container that has a member."""


def made(half: str, name: str, state: str) -> tuple[Json, Json]:
    """Make a pod with a member in a state, and what a template brings."""
    ours, other = {"spec": SPEC, "metadata": METADATA}.get(half, CONTAINER)[name]
    pod, brought = body(), json.loads('{"metadata": {}, "spec": {}}')
    holder: Json = pod[half] if half in pod else pod["spec"][half][0]
    holder |= NEEDED.get(name, {}) if "name" in holder else {}
    for value in theirs(state, ours, other):
        holder[name] = copy.deepcopy(value)
    if half in brought:
        brought[half][name] = ours
    else:
        brought["spec"][half] = [{"name": holder["name"], name: ours}]
    return pod, brought


@pytest.mark.parametrize(("half", "name", "state"), CASES)
def test_a_member_is_merged_as_by_hand_and_comes_out_exactly(half: str, name: str, state: str) -> None:
    pod, brought = made(half, name, state)
    rules, before = Always(brought), copy.deepcopy(pod)
    outcome = injected(pod, rules)
    try:
        wanted = naive_merge(pod, brought, init_first=True)
    except Refused:
        assert outcome.reason is Reason.NAME_COLLISION
        return
    assert outcome.verdict in (Verdict.INJECTED, Verdict.SKIPPED), outcome.message
    after = applied(pod, outcome)
    assert pod == before
    assert without_record(after, pod) == wanted
    assert injected(after, rules).patch == ()
    if outcome.patch:
        stripped = record.take_out(Pod.from_document(after))
        assert without_nulls(stripped.body) == without_nulls(pod)
        assert jsonpatch.apply_patch(after, stripped.operations) == stripped.body
    assert problems(after) <= problems(pod)


@settings(max_examples=50)
@given(cases)
def test_what_we_accept_makes_no_pod_worse(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    after = applied(pod, injected(pod, Always(brought, init_first=init_first)))
    assert problems(after) <= problems(pod)


def without_record(after: Json, pod: Json) -> Json:
    """Leave out the annotation, and the map that only it needs."""
    result = copy.deepcopy(after)
    annotations = result["metadata"].get("annotations") or {}
    annotations.pop(record.ANNOTATION, None)
    if not annotations and "annotations" in result["metadata"]:
        del result["metadata"]["annotations"]
        result["metadata"] |= {"annotations": pod["metadata"]["annotations"]} if "annotations" in pod["metadata"] else {}
    return result


def problems(pod: Json) -> set[str]:
    """What is wrong with a whole pod by our own schema and checks, and by rules that share nothing with them."""
    metadata = {key: value for key, value in (pod.get("metadata") or {}).items() if key in METADATA and value is not None}
    metadata["annotations"] = {key: text for key, text in metadata.get("annotations", {}).items() if key != record.ANNOTATION}
    body = known(without_nulls({"metadata": metadata, "spec": pod["spec"]}))
    return {finding.what for finding in checks.of_overlay(body, privileged=True)} | set(independent(body["spec"]))


def known(value: Any) -> Any:
    """Leave out the fields that are newer than the schema, which it would complain of in every pod."""
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items() if key != "newer"}
    return [known(item) for item in value] if isinstance(value, list) else value


def independent(spec: Json) -> Iterator[str]:
    """What an API server refuses in a pod, written down from its documentation."""
    everyone = [*spec.get("initContainers", ()), *spec["containers"]]
    names = [container["name"] for container in everyone]
    yield from (f"doubled container {name}" for name in names if names.count(name) > 1)
    volumes = [volume["name"] for volume in spec.get("volumes", ())]
    yield from (f"doubled volume {name}" for name in volumes if volumes.count(name) > 1)
    for container in everyone:
        if not container.get("image"):
            yield f"{container['name']} has no image"
        paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
        yield from (f"{container['name']} mounts {path} twice" for path in paths if paths.count(path) > 1)
        yield from (f"no volume {mount['name']}" for mount in container.get("volumeMounts", ()) if mount["name"] not in volumes)
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            handlers = {"exec", "httpGet", "tcpSocket", "grpc"} & set(container.get(probe, ()))
            if len(handlers) > 1:
                yield f"{container['name']} has a {probe} of {sorted(handlers)}"
