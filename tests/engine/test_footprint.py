"""Pods that are alike in what an overlay comes upon get one outcome, and it is the one that each would get by itself."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from mesh_injector.engine import overlay, pipeline
from mesh_injector.engine.outcome import Outcome
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from tests.test_laws import ALWAYS, LAW, Always, Json, cases, injected, made

POD: Json = {
    "metadata": {"generateName": "cart-", "labels": {"app": "web"}, "annotations": {"note": "x"}},
    "spec": {
        "containers": [
            {"name": "app", "image": "i", "env": [{"name": "A", "value": "1"}], "volumeMounts": [{"name": "t", "mountPath": "/t"}]}
        ],
        "volumes": [{"name": "t", "projected": {}}],
        "serviceAccountName": "default",
        "tolerations": [{"key": "a"}],
    },
}
BROUGHT: Json = {
    "metadata": {"labels": {"mesh": "m"}, "annotations": {"proxy": "p"}},
    "spec": {
        "containers": [
            {"name": "app", "env": [{"name": "PROXY", "value": "1"}], "volumeMounts": [{"name": "certs", "mountPath": "/certs"}]},
            {
                "name": "envoy",
                "image": "envoy:1",
                "volumeMounts": [{"name": "theirs", "mountPath": "/theirs"}],
                "lifecycle": {"preStop": {"sleep": {"seconds": 20}}},
                "securityContext": {"runAsUser": 1000},
            },
        ],
        "initContainers": [{"name": "wait", "image": "wait:1"}],
        "volumes": [{"name": "certs", "emptyDir": {}}],
        "serviceAccountName": "mesh",
        "tolerations": [{"key": "b"}],
    },
}
POD["spec"]["volumes"].append({"name": "theirs", "emptyDir": {}})


def changed(change: Callable[[Json], Any]) -> Json:
    body = copy.deepcopy(POD)
    change(body)
    return body


def labelled(value: str) -> Json:
    """The pod with a label that the overlay brings too."""
    return changed(lambda body: body["metadata"]["labels"].update(mesh=value))


def said(outcome: Outcome) -> tuple[Any, ...]:
    """What an outcome says; two errors are never equal."""
    return outcome.verdict, outcome.reason, outcome.mesh, outcome.template, list(outcome.operations), outcome.warnings, outcome.message


def by_itself(body: Json, rules: Always) -> Outcome:
    pod = Pod.from_document(body)
    decision = rules.decide(pod, Namespace("shop"))
    return pipeline._settle(pod, *pipeline._place(pod, decision))


@LAW
@given(cases)
def test_what_is_shared_is_what_each_pod_would_get_by_itself(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    there = [volume["name"] for volume in pod["spec"]["volumes"]]
    spec = {**brought["spec"], "volumes": [volume for volume in brought["spec"]["volumes"] if volume["name"] not in there]}
    rules = Always({**brought, "spec": spec}, init_first=init_first)
    for _ in range(2):
        assert said(injected(pod, rules)) == said(by_itself(pod, rules))


def random_volume(body: Json) -> None:
    body["spec"]["volumes"].append({"name": "kube-api-access-x7k2p", "projected": {"sources": []}})
    body["spec"]["containers"][0]["volumeMounts"].append({"name": "kube-api-access-x7k2p", "mountPath": "/var/run/secrets"})


ALIKE: dict[str, Callable[[Json], Any]] = {
    "a volume of a random name": random_volume,
    "another name": lambda body: body["metadata"].update(generateName="other-"),
    "a label that the overlay does not bring": lambda body: body["metadata"]["labels"].update(app="other", tier="x"),
    "an annotation of the same length": lambda body: body["metadata"]["annotations"].update(note="y"),
    "times in managedFields": lambda body: body["metadata"].update(managedFields=[{"time": "2026-11-21T00:56:21Z"}]),
    "another image": lambda body: body["spec"]["containers"][0].update(image="other"),
    "another variable": lambda body: body["spec"]["containers"][0]["env"].append({"name": "B", "value": "2"}),
}
DIFFERENT: dict[str, Callable[[Json], Any]] = {
    "no metadata": lambda body: body.pop("metadata"),
    "no labels": lambda body: body["metadata"].pop("labels"),
    "a label that the overlay brings too": lambda body: body["metadata"]["labels"].update(mesh="other"),
    "no annotations": lambda body: body["metadata"].pop("annotations"),
    "an annotation that the overlay brings too": lambda body: body["metadata"]["annotations"].update(proxy="other"),
    "annotations almost as large as they may be": lambda body: body["metadata"]["annotations"].update(note="x" * (256 * 1024 - 100)),
    "annotations of many bytes in few characters": lambda body: body["metadata"]["annotations"].update(note="€" * (87 * 1024)),
    "init containers": lambda body: body["spec"].update(initContainers=[{"name": "own", "image": "i"}]),
    "an init container of the same name": lambda body: body["spec"].update(initContainers=[{"name": "wait", "image": "i"}]),
    "a container of the same name": lambda body: body["spec"]["containers"].append({"name": "envoy", "image": "i"}),
    "a container before the one that is added to": lambda body: body["spec"]["containers"].insert(0, {"name": "first", "image": "i"}),
    "no container to add to": lambda body: body["spec"]["containers"][0].update(name="other"),
    "no variables": lambda body: body["spec"]["containers"][0].pop("env"),
    "a variable of the same name": lambda body: body["spec"]["containers"][0]["env"].append({"name": "PROXY", "value": "2"}),
    "a mount at the same path": lambda body: body["spec"]["containers"][0]["volumeMounts"].append({"name": "t", "mountPath": "/certs"}),
    "a device of the same path": lambda body: body["spec"]["containers"][0].update(volumeDevices=[{"name": "d", "devicePath": "/certs"}]),
    "a volume of the same name": lambda body: body["spec"]["volumes"].append({"name": "certs", "hostPath": {"path": "/"}}),
    "not the volume that ours mounts": lambda body: body["spec"]["volumes"].pop(),
    "no volumes at all": lambda body: body["spec"].pop("volumes"),
    "an account of its own": lambda body: body["spec"].update(serviceAccountName="own"),
    "an account by its other name": lambda body: body["spec"].update(serviceAccount="default"),
    "no tolerations": lambda body: body["spec"].pop("tolerations"),
    "the same toleration": lambda body: body["spec"]["tolerations"].append({"key": "b"}),
    "less time to end than ours sleeps": lambda body: body["spec"].update(terminationGracePeriodSeconds=10),
    "another system": lambda body: body["spec"].update(os={"name": "windows"}),
}


@pytest.mark.parametrize("change", ALIKE)
def test_pods_that_differ_in_what_does_not_matter_get_the_very_same_outcome(change: str) -> None:
    rules = Always(BROUGHT)
    first, second = injected(POD, rules), injected(changed(ALIKE[change]), rules)
    assert first is second
    assert said(second) == said(by_itself(changed(ALIKE[change]), rules))


@pytest.mark.parametrize("change", DIFFERENT)
def test_whatever_placing_depends_on_changes_the_outcome(change: str) -> None:
    rules, body = Always(BROUGHT), changed(DIFFERENT[change])
    before, after = injected(POD, rules), injected(body, rules)
    assert said(before) != said(after)
    assert said(after) == said(by_itself(body, Always(BROUGHT)))


def test_outcomes_that_are_shared_take_no_more_than_their_room() -> None:
    rules = Always(BROUGHT)
    for number in range(200):
        injected(labelled(f"{number:060}"), rules)
    assert 0 < rules.overlay.outcomes.weight <= overlay.OUTCOMES_ROOM
    kept = len(rules.overlay.outcomes)
    injected(labelled("x" * overlay.OUTCOMES_ROOM), rules)
    assert len(rules.overlay.outcomes) == kept


def test_the_answer_of_a_shared_outcome_is_not_changed_by_who_gets_it() -> None:
    rules = Always(BROUGHT)
    first = injected(POD, rules)
    kept = json.dumps(list(first.patch))
    for operation in copy.deepcopy(list(first.patch)):
        operation.clear()
    assert json.dumps(list(injected(POD, rules).patch)) == kept


def test_an_overlay_that_looks_further_into_a_pod_has_no_footprints() -> None:
    pod = Pod.from_document(POD)
    assert made(BROUGHT).footprints.of(pod) is not None
    for member, value in {"hostNetwork": True, "resources": {"limits": {"cpu": "1"}}, "dnsPolicy": "None"}.items():
        spec = {"containers": [{"name": "envoy", "image": "e"}], member: value, "dnsConfig": {"nameservers": ["1.1.1.1"]}}
        is_simple = made({"metadata": {}, "spec": {**spec, "volumes": ALWAYS}}).footprints.of(pod) is not None
        assert is_simple == (member == "dnsPolicy"), member
