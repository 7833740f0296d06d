"""The judge's cases: overlays that are good, and every one of them again with one thing changed, everywhere and in many ways.

A case that fails is therefore as small as it can be: its name says the overlay, the field, and what stands there instead.
"""

import copy
import functools
import itertools
import json
import random
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from mesh_injector.engine import schema
from mesh_injector.engine.schema import Node

HERE: Final = Path(__file__).parent
SEED: Final = 20261121
Step = str | int
GONE: Final = object()
"""The change that takes a field away."""

VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "text": ("", " ", "a", "A", "a_b", "a.b", "-a", "a" * 64, "a" * 254, "a/b", "/a", "../a", "a:b", "é", "a\nb", "1", "no.such/Word", 7),
    "integer": (-1, 0, 1, 2, 100, 101, 512, 65535, 65536, 2**31 - 1, 2**31, "1"),
    "number": (0, 1.5),
    "boolean": (True, False, "true"),
    "int-or-text": (0, 80, 65536, -1, "", "http", "HTTP", "80", "a-name-that-is-long", "nobody"),
    "quantity": ("0", "1", "-1", "100m", "1.5", "1e3", "1Ki", "2Gi", "0.1m", "abc", "", 1),
    "map": ({}, {"": "a"}, {"a b": "a"}, {"a": "b c"}, {"example.com/a": "1"}, {"A_b": "1"}, []),
    "object": ({}, "a"),
    "list": ([], [{}], ["a"], "a"),
}
"""What is put into a field of each kind, right and wrong."""
WORDS: Final[Mapping[str, tuple[Any, ...]]] = {
    "imagePullPolicy": ("Always", "Never", "always"),
    "pullPolicy": ("Always", "Never", "always"),
    "terminationMessagePolicy": ("FallbackToLogsOnError", "file"),
    "restartPolicy": ("Always", "Never", "OnFailure", "RestartContainer"),
    "protocol": ("UDP", "SCTP", "tcp"),
    "scheme": ("HTTPS", "http"),
    "operator": ("Equal", "Exists", "In", "NotIn", "DoesNotExist", "Gt", "Lt", "exists"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "dnsPolicy": ("Default", "ClusterFirst", "ClusterFirstWithHostNet", "None"),
    "type": ("RuntimeDefault", "Unconfined", "Localhost", "DirectoryOrCreate", "Socket", "localhost"),
    "procMount": ("Unmasked",),
    "mountPropagation": ("None", "Bidirectional"),
    "recursiveReadOnly": ("Disabled", "Enabled", "IfPossible"),
    "fsGroupChangePolicy": ("Always",),
    "supplementalGroupsPolicy": ("Strict",),
    "whenUnsatisfiable": ("DoNotSchedule",),
    "preemptionPolicy": ("Never",),
    "containerPort": (53, 8080, 9090),
    "hostPort": (8080, 15001, 18080),
    "name": ("app", "cache", "windows", "kernel.shm_rmid_forced"),
    "fieldPath": ("spec.nodeName", "status.podIP", "metadata.labels['a']", "metadata.labels", "spec.containers"),
    "resource": ("requests.memory", "limits.memory", "cpu", "limits.hugepages-2Mi"),
    "mountPath": ("/cache", "/cache/", "relative", "/a:b", "/"),
    "subPath": ("a", "/a", "..", "a/../b"),
    "path": ("a/../b", "..data"),
    "hostIP": ("10.0.0.1", "::1", "300.1.1.1", "host"),
    "ip": ("10.0.0.1", "::1", "300.1.1.1"),
    "stopSignal": ("SIGTERM", "SIGKILL", "TERM"),
    "medium": ("Memory", "HugePages", "memory"),
    "accessModes": (["ReadWriteMany"], ["readwriteonce"]),
    "add": (["ALL"], ["CAP_SYS_ADMIN"], ["SYS_ADMIN"]),
    "apiVersion": ("v1", "apps/v1"),
    "priorityClassName": ("system-cluster-critical",),
}
"""Words of certain fields, some of them wrong there."""


@dataclass(frozen=True)
class Case:
    """An overlay for a pod, and the name of what was changed in it."""

    name: str
    pod: Mapping[str, Any]
    overlay: Mapping[str, Any]


@functools.cache
def pods() -> list[dict[str, Any]]:
    """The pods, as users write them."""
    return list(yaml.safe_load_all((HERE / "pods.yaml").read_text(encoding="utf-8")))


@functools.cache
def overlays() -> list[dict[str, Any]]:
    """The good overlays, as partial pods."""
    return [_whole(document) for document in yaml.safe_load_all((HERE / "overlays.yaml").read_text(encoding="utf-8"))]


@functools.cache
def pairs() -> list[Case]:
    """The good overlays that go on one pod only, on it."""
    found = yaml.safe_load_all((HERE / "pairs.yaml").read_text(encoding="utf-8"))
    return [Case(pair["pod"]["metadata"]["name"], pair["pod"], _whole(pair["overlay"])) for pair in found]


def _whole(overlay: dict[str, Any]) -> dict[str, Any]:
    return overlay if {"spec", "metadata"} & overlay.keys() else {"spec": overlay}


def good() -> Iterator[Case]:
    """Every good overlay on every pod that it goes on."""
    for (index, overlay), pod in itertools.product(enumerate(overlays()), pods()):
        yield Case(f"{index}:{pod['metadata']['name']}", pod, overlay)
    yield from pairs()


def changed() -> Iterator[Case]:
    """Every good overlay with one thing changed, on the pods in turn."""
    number = itertools.count()
    for index, overlay in enumerate(overlays()):
        for path, value in _changes(schema.POD, overlay, ()):
            pod = pods()[next(number) % len(pods())]
            yield _one(Case(f"{index}:{pod['metadata']['name']}", pod, overlay), path, value)
    for pair in pairs():
        yield from (_one(pair, path, value) for path, value in _changes(schema.POD, pair.overlay, ()))


def _one(good: Case, path: tuple[Step, ...], value: Any) -> Case:
    shown = "absent" if value is GONE else json.dumps(value, ensure_ascii=True)[:80]
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return Case(f"{good.name}{name} = {shown}", good.pod, _set(good.overlay, path, value))


def sample(size: int, always: Container[str]) -> list[Case]:
    """Choose some of the changed cases, the same ones every time, and those with certain names."""
    found = list(changed())
    chosen = frozenset(random.Random(SEED).sample(range(len(found)), size))
    return [case for index, case in enumerate(found) if index in chosen or case.name in always]


def _changes(node: Node, value: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Every change of one value: within it, and where it may have members, of those that it has not."""
    if isinstance(value, dict):
        for name, member in value.items():
            inner = node.field(name)
            assert inner is not None, path
            yield (*path, name), GONE
            yield from _changes(inner, member, (*path, name))
        yield from _additions(node, value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _changes(node.inner or node, item, (*path, index))
        yield path, [*value, value[-1]]
    if path:
        yield from (((*path,), other) for other in _others(node, path) if other != value)


def _additions(node: Node, value: Mapping[str, Any], path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    if node.kind == "object" and path != ():
        yield (*path, "noSuchField"), "a"
    for name, inner in node.children.items():
        if name not in value and path != ():
            yield from (((*path, name), other) for other in _others(inner, (*path, name)))


def _others(node: Node, path: tuple[Step, ...]) -> Iterable[Any]:
    field = next(step for step in reversed(path) if isinstance(step, str))
    return (*WORDS.get(field, ()), *VALUES.get(node.kind, ()))


def _set(overlay: Mapping[str, Any], path: tuple[Step, ...], value: Any) -> dict[str, Any]:
    made: Any = copy.deepcopy(overlay)
    place = made
    for step in path[:-1]:
        place = place[step]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    return dict(made)
