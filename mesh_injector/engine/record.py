"""The record: the status annotation that lists everything we added, and taking exactly that out of a pod again.

A record is a claim that anybody can write; what is really in the pod decides, so a forged or stale one never exempts a pod.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mesh_injector.engine import address, defaults, schema
from mesh_injector.engine.address import Address, Item
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.placement import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Operation

ANNOTATION: Final = "mesh-injector.io/status"
VERSION: Final = 1


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was added: addresses of leaves, of lists and maps that were created, and old values of replaced defaults."""

    version: int
    mesh: str
    template: str
    added: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    replaced: dict[str, Any] = {}


def seal(pod: Pod, placement: Placement, mesh: str, template: str) -> list[Operation]:
    """Write the record of a placement: its operations followed by those that set the annotation."""
    operations, created = list(placement.operations), list(placement.created)
    if not pod.has_metadata and "metadata" not in created:
        operations.append({"op": "add", "path": "/metadata", "value": {}})
        created.append("metadata")
    has_map = pod.metadata.annotations is not None or "annotations" in created
    created += [] if has_map else ["annotations"]
    text = write(Record(VERSION, mesh, template, tuple(placement.added), tuple(created), placement.replaced))
    if has_map:
        operations.append({"op": "add", "path": f"/metadata/annotations/{address.escape(ANNOTATION)}", "value": text})
    else:
        operations.append({"op": "add", "path": "/metadata/annotations", "value": {ANNOTATION: text}})
    return operations


def write(record: Record) -> str:
    """Write a record as the annotation's text: compact JSON, the same on every replica."""
    return msgspec.json.encode(record).decode()


def read(text: str) -> Record | None:
    """Read the annotation; None when it is no record of ours: not JSON, another version, or an address we cannot have written."""
    try:
        record = msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, RecursionError):
        return None
    if record.version != VERSION:
        return None
    leaves = all(_is_leaf(name) for name in (*record.added, *record.replaced))
    return record if leaves and all(_is_creation(name) for name in record.created) else None


def strip(body: Mapping[str, Any]) -> tuple[dict[str, Any], Record] | None:
    """Take what the record lists out of a pod: a copy of the pod as it was, and the record; None when there is no record to believe."""
    text = ((body.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    record = read(text) if isinstance(text, str) else None
    if record is None:
        return None
    pod = copy.deepcopy(dict(body))
    del pod["metadata"]["annotations"][ANNOTATION]
    for name in record.added:
        _remove(pod, name)
    for name, old in record.replaced.items():
        _restore(pod, name, old)
    for name in sorted(record.created, key=len, reverse=True):
        _remove_if_empty(pod, name)
    return (pod, record) if (pod.get("spec") or {}).get("containers") else None


def _remove(pod: dict[str, Any], name: str) -> None:
    place = address.find(pod, _address(name))
    if place is not None:
        del place.holder[place.key]


def _restore(pod: dict[str, Any], name: str, old: Any) -> None:
    """Put an old value back; only Kubernetes' defaults and empty values are believed."""
    where = _address(name)
    half, _ = address.root(where)
    holder = pod.get(half) if len(where) == 1 else getattr(address.find(pod, where[:-1]), "value", None)
    last = where[-1]
    field = f"containers.{last}" if where[0] in ("containers", "initContainers") and len(where) == 3 else str(last)
    if isinstance(holder, dict) and isinstance(last, str) and defaults.is_not_set(field, old):
        holder[last] = old


def _remove_if_empty(pod: dict[str, Any], name: str) -> None:
    if name == "metadata":
        if pod.get("metadata") == {}:
            del pod["metadata"]
        return
    place = address.find(pod, _address(name))
    if place is not None and place.value in ({}, []):
        del place.holder[place.key]


def _address(name: str) -> Address:
    return address.read(name) or ("",)


def _is_leaf(name: str) -> bool:
    where = address.read(name)
    node = node_of(where) if where else None
    return node is not None and where is not None and (isinstance(where[-1], Item) or defaults.merge(where[-1], node) is Merge.UNIT)


def _is_creation(name: str) -> bool:
    if name == "metadata":
        return True
    where = address.read(name)
    node = node_of(where) if where else None
    last = where[-1] if where else None
    if node is None or not isinstance(last, str) or name == "containers":
        return False
    return defaults.merge(last, node) is not Merge.UNIT


def node_of(where: Address) -> schema.Node | None:
    """Walk the bundled schema along an address; None where Kubernetes has no such place."""
    node: schema.Node | None = schema.POD.field("metadata" if where[0] in address.METADATA else "spec")
    for step in where:
        if node is None:
            return None
        if isinstance(step, Item):
            node = node.item() if node.kind == "list" else node.field(step.key) if node.kind == "map" else None
        else:
            node = node.field(step) if node.kind == "object" else None
    return node
