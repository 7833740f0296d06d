"""A spec and its containers as they will be once an overlay is placed."""

from typing import Any

import pytest

from mesh_injector.engine import merged, schema
from mesh_injector.engine.pod import Pod

Json = dict[str, Any]


def spec_of(theirs: Json, ours: Json) -> Json:
    return dict(merged.spec_of(Pod.from_document({"spec": theirs}), ours))


def test_a_merged_spec_is_a_mapping_of_the_members_that_are_there() -> None:
    pod = Pod.from_document({"spec": {"containers": [{"name": "app"}], "hostname": "own", "nodeName": None, "priority": 0, "newer": 1}})
    spec = merged.spec_of(pod, {"hostname": "ours", "priority": 5, "subdomain": "s", "containers": [{"name": "app", "tty": True}]})
    assert dict(spec) == {"containers": [{"name": "app", "tty": True}], "hostname": "own", "priority": 5, "subdomain": "s"}
    assert (len(spec), spec.get("nodeName")) == (4, None)


@pytest.mark.parametrize(
    ("theirs", "ours", "both"),
    [
        ({}, {"hostname": "ours"}, {"hostname": "ours"}),
        ({"hostname": "own"}, {}, {"hostname": "own"}),
        ({"dnsPolicy": "ClusterFirst"}, {"dnsPolicy": "None"}, {"dnsPolicy": "None"}),
        ({"dnsPolicy": "Default"}, {"dnsPolicy": "None"}, {"dnsPolicy": "Default"}),
        ({"securityContext": {"fsGroup": 1}}, {"securityContext": {"fsGroup": 2, "runAsUser": 3}},
         {"securityContext": {"fsGroup": 1, "runAsUser": 3}}),
        ({"securityContext": {"seLinuxOptions": {"level": "a"}}}, {"securityContext": {"seLinuxOptions": {"level": "b", "user": "c"}}},
         {"securityContext": {"seLinuxOptions": {"level": "a", "user": "c"}}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"a": "2", "b": "3"}}, {"nodeSelector": {"a": "1", "b": "3"}}),
        ({"nodeSelector": {"a": "", "containers": "1", "dnsPolicy": "ClusterFirst", "b": None}},
         {"nodeSelector": {"a": "2", "containers": "2", "dnsPolicy": "2", "b": "2"}},
         {"nodeSelector": {"a": "", "containers": "1", "dnsPolicy": "ClusterFirst", "b": "2"}}),
        ({"containers": [{"name": "a", "args": ["x"], "command": []}, {"name": "b", "image": "i"}]},
         {"containers": [{"name": "a", "args": ["y"], "command": ["z"]}]},
         {"containers": [{"name": "a", "args": ["x"], "command": ["z"]}, {"name": "b", "image": "i"}]}),
        ({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]},
         {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}, {"ip": "10.0.0.1", "hostnames": ["a"]}]},
         {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}, {"ip": "10.0.0.1", "hostnames": ["b"]}]}),
        ({"hostname": 5, "tolerations": [{"key": "a"}, "odd"]}, {}, {"tolerations": [{"key": "a"}]}),
        ({"containers": [{"name": "a", "livenessProbe": {"periodSeconds": 5}}]},
         {"containers": [{"name": "a", "livenessProbe": {"timeoutSeconds": 2}}]},
         {"containers": [{"name": "a", "livenessProbe": {"periodSeconds": 5}}]}),
        ({"volumes": [{"name": "a", "emptyDir": {}}]}, {"volumes": [{"name": "a"}, {"name": "b"}]},
         {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b"}]}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "a", "value": ""}, {"key": "a", "value": "b"}]},
         {"tolerations": [{"key": "a"}, {"key": "a", "value": "b"}]}),
        ({"containers": [{"name": "app", "image": "a"}]}, {"containers": [{"name": "envoy", "image": "e"}, {"name": "app", "tty": True}]},
         {"containers": [{"name": "app", "image": "a", "tty": True}, {"name": "envoy", "image": "e"}]}),
        ({"initContainers": [{"name": "a", "env": [{"name": "A", "value": "1"}]}]},
         {"initContainers": [{"name": "a", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "2"}]}]},
         {"initContainers": [{"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}),
        ({"containers": [{"name": "a", "restartPolicy": "Always", "stdin": False}]},
         {"containers": [{"name": "a", "restartPolicy": "Never", "stdin": True}]},
         {"containers": [{"name": "a", "restartPolicy": "Always", "stdin": True}]}),
        ({"containers": [{"name": "a", "terminationMessagePath": "/dev/termination-log"}]},
         {"containers": [{"name": "a", "terminationMessagePath": "/x"}]}, {"containers": [{"name": "a", "terminationMessagePath": "/x"}]}),
        ({"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}}}]},
         {"containers": [{"name": "a", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}]},
         {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1", "memory": "1Gi"}}}]}),
        ({"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1"}}}]},
         {"containers": [{"name": "a", "resources": {"requests": {"memory": "2"}}}]},
         {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1", "memory": "1"}}}]}),
    ],
)  # fmt: skip
def test_the_pods_wins_unless_it_is_a_default_and_items_are_appended_unless_there(theirs: Json, ours: Json, both: Json) -> None:
    assert spec_of(theirs, ours) == both


def test_a_container_is_merged_as_one_in_a_spec_is() -> None:
    (theirs,) = Pod.from_document(
        {"spec": {"containers": [{"name": "a", "stdin": False, "resources": {"limits": {"cpu": "1"}}}]}}
    ).containers
    ours = {"name": "a", "stdin": True, "resources": {"requests": {"cpu": "2"}}, "terminationMessagePath": "/x"}
    both = {"name": "a", "stdin": True, "terminationMessagePath": "/x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}
    assert dict(merged.container_of(theirs, ours)) == both


def test_the_owners_of_both_are_told_apart_by_uid() -> None:
    def owner(uid: str, name: str) -> Json:
        return {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}

    pod = Pod.from_document({"metadata": {"ownerReferences": [owner("1", "own"), "odd"]}, "spec": {}})
    assert merged.owners_of(pod, [owner("1", "ours"), owner("2", "more")]) == [owner("1", "own"), owner("2", "more")]
    assert merged.owners_of(Pod.from_document({"spec": {}}), []) == []


@pytest.mark.parametrize(
    ("field", "value", "seen"),
    [
        ("hostname", "a", "a"),
        ("hostname", 1, None),
        ("hostname", True, None),
        ("priority", 5, 5),
        ("priority", "5", None),
        ("priority", 5.5, None),
        ("hostPID", True, True),
        ("hostPID", 1, None),
        ("nodeSelector", {"a": "b", "c": 1, "d": None}, {"a": "b"}),
        ("nodeSelector", ["a"], None),
        ("volumes", [{"name": "a"}, {"emptyDir": {}}, "odd", None], [{"name": "a"}]),
        ("volumes", {"name": "a"}, None),
        ("securityContext", {"fsGroup": "1", "runAsUser": 2}, {"runAsUser": 2}),
        ("securityContext", "odd", None),
        ("securityContext", {"supplementalGroups": [1, "2", True]}, {"supplementalGroups": [1]}),
        ("overhead", {"cpu": 1, "memory": "1Gi", "other": []}, {"cpu": 1, "memory": "1Gi"}),
        ("containers", [{"name": "a", "newer": {"x": 1}}], [{"name": "a", "newer": {"x": 1}}]),
        ("containers", [{"image": "a"}], []),
    ],
)
def test_of_what_is_of_the_wrong_type_nothing_is_seen(field: str, value: Any, seen: Any) -> None:
    assert merged.fitting(value, schema.definition("PodSpec").field(field)) == seen


def test_a_port_of_a_probe_may_be_a_number_or_a_name_and_what_is_unknown_anything() -> None:
    port = schema.definition("HTTPGetAction").field("port")
    values: list[Any] = [80, "http", 1.5, True, []]
    assert [merged.fitting(value, port) for value in values] == [80, "http", None, None, None]
    assert merged.fitting({"a": [1]}, None) == {"a": [1]}
