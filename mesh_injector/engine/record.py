"""The record: the status annotation that lists everything we added, and taking exactly that out of a pod again.

A record is a claim that anybody can write; what is really in the pod decides, so a forged or stale one never exempts a pod.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from mesh_injector.engine import address, checks, defaults, schema
from mesh_injector.engine.address import Address, Item
from mesh_injector.engine.defaults import Merge
from mesh_injector.engine.placement import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Operation
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

ANNOTATION: Final = checks.RECORD
VERSION: Final = 1
ANNOTATIONS_LIMIT: Final = 256 * 1024
"""Bytes of all keys and values of a pod's annotations, https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/."""

ADDRESSES: Final = 4096
"""So many addresses a record may have: taking them out of a pod is work that whoever writes an annotation can cause."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was added: addresses of leaves, of lists and maps that were created, and old values of replaced defaults."""

    version: int
    mesh: str
    template: str
    added: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    replaced: dict[str, Any] = {}


def seal(pod: Pod, placement: Placement, mesh: str, template: str) -> list[Operation]:
    """Write the record of a placement: its operations followed by those that set the annotation.

    Raises `InjectionError` (RenderedInvalidPod) when the pod's annotations would be larger than Kubernetes allows.
    """
    operations, created = list(placement.operations), list(placement.created)
    if not pod.has_metadata and "metadata" not in created:
        operations.append({"op": "add", "path": "/metadata", "value": {}})
        created.append("metadata")
    has_map = pod.metadata.annotations is not None or "annotations" in created
    created += [] if has_map else ["annotations"]
    text = write(Record(VERSION, mesh, template, tuple(placement.added), tuple(created), placement.replaced))
    _check_size(pod, operations, text, len(placement.added) + len(created) + len(placement.replaced))
    if has_map:
        operations.append({"op": "add", "path": f"/metadata/annotations/{address.escape(ANNOTATION)}", "value": text})
    else:
        operations.append({"op": "add", "path": "/metadata/annotations", "value": {ANNOTATION: text}})
    return operations


def _check_size(pod: Pod, operations: list[Operation], text: str, addresses: int) -> None:
    if addresses > ADDRESSES:
        what = f"the template adds {addresses} things to the pod, and a record holds at most {ADDRESSES}"
        raise InjectionError(Reason.RENDERED_INVALID_POD, what, where=f"metadata.annotations[{ANNOTATION}]", fix="bring fewer things")
    values = [operation["value"] for operation in operations if operation["path"].startswith("/metadata/annotations")]
    maps = [value if isinstance(value, Mapping) else {"": value} for value in (dict(pod.annotations), *values, {ANNOTATION: text})]
    size = sum(len(f"{key}{value}".encode()) for part in maps for key, value in part.items())
    if size > ANNOTATIONS_LIMIT:
        what = f"the record of what is added takes {len(text.encode())} bytes and all annotations {size}, of {ANNOTATIONS_LIMIT} allowed"
        fix = "bring fewer or shorter things"
        raise InjectionError(Reason.RENDERED_INVALID_POD, what, where=f"metadata.annotations[{ANNOTATION}]", fix=fix)


def write(record: Record) -> str:
    """Write a record as the annotation's text: compact JSON, the same on every replica."""
    return msgspec.json.encode(record).decode()


def read(text: str) -> Record | None:
    """Read the annotation; None when it is no record of ours: not JSON, another version, or an address we cannot have written."""
    try:
        record = msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, RecursionError):
        return None
    believed = (
        record.version == VERSION
        and len(record.added) + len(record.created) + len(record.replaced) <= ADDRESSES
        and all(map(_is_leaf, record.added))
        and all(map(_is_creation, record.created))
        and all(_is_leaf(name) and not isinstance(_address(name)[-1], Item) for name in record.replaced)
    )
    return record if believed else None


def strip(body: Mapping[str, Any]) -> tuple[dict[str, Any], Record] | None:
    """Take what the record lists out of a pod: a copy of the pod as it was, and the record; None when there is no record to believe."""
    text = ((body.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    record = read(text) if isinstance(text, str) else None
    if record is None:
        return None
    pod = copy.deepcopy(dict(body))
    del pod["metadata"]["annotations"][ANNOTATION]
    finder = address.Finder(pod)
    for place in address.last_first(filter(None, (finder.find(_address(name)) for name in record.added))):
        del place.holder[place.key]
    for name, old in record.replaced.items():
        _restore(pod, name, old)
    for name in innermost_first(record.created):
        _remove_if_empty(pod, name)
    return (pod, record) if (pod.get("spec") or {}).get("containers") else None


def innermost_first(created: Iterable[str]) -> list[str]:
    """Sort the addresses of lists and maps so that each comes before what holds it; `metadata` holds maps that do not say so."""
    return sorted(created, key=lambda name: (name != "metadata", len(name)), reverse=True)


def _restore(pod: dict[str, Any], name: str, old: Any) -> None:
    """Put an old value back; only Kubernetes' defaults and empty values are believed."""
    where = _address(name)
    holder = address.parent(pod, where)
    if holder is not None and isinstance(holder.value, dict) and is_default(where, old):
        holder.value[str(where[-1])] = old


def is_default(where: Address, value: Any) -> bool:
    """Whether a value at an address is Kubernetes' default or empty, so that a member that is absent says the same."""
    last = where[-1]
    is_member = where[0] in checks.CONTAINER_LISTS and len(where) == 3
    return isinstance(last, str) and defaults.is_not_set(f"containers.{last}" if is_member else last, value)


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
    """Whether placement can have added what an address names: an item, or a member that is one value."""
    where = _address(name)
    node, last = node_of(where), where[-1]
    if isinstance(last, Item):
        return node is not None and where != ("annotations", Item(ANNOTATION))
    is_essence = where[0] in checks.CONTAINER_LISTS and where[2:] in (("name",), ("image",))
    return node is not None and not is_essence and defaults.merge(last, node) is Merge.UNIT


def _is_creation(name: str) -> bool:
    if name == "metadata":
        return True
    where = _address(name)
    node, last = node_of(where), where[-1]
    return node is not None and isinstance(last, str) and name != "containers" and defaults.merge(last, node) is not Merge.UNIT


def node_of(where: Address) -> schema.Node | None:
    """Walk the bundled schema along an address as placement walks it; None where placement does not come."""
    node = schema.POD.field(address.half(where))
    for depth, step in enumerate(where):
        if node is None or not _is_way(where, depth, node):
            return None
        node = (node.item() or node.field(step.key)) if isinstance(step, Item) else node.field(step)
    return node


def _is_way(where: Address, depth: int, node: schema.Node) -> bool:
    """Whether placement takes a step of an address from a node: from lists and maps to items, from what is merged by fields to a field."""
    before = where[depth - 1] if depth else ""
    if isinstance(where[depth], Item):
        return isinstance(before, str) and node.kind != "object" and defaults.merge(before, node) is not Merge.UNIT
    if isinstance(before, Item):
        return depth == 2 and where[0] in checks.CONTAINER_LISTS
    return node.kind == "object" and defaults.merge(before, node) is Merge.FIELDS
