"""The record: the status annotation that lists everything we added, and taking exactly that out of a pod again.

A record is a claim that anybody can write; what is really in the pod decides, so a forged or stale one never exempts a pod.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from mesh_injector.engine import address, checks, claims, taking
from mesh_injector.engine.address import Finder, Place
from mesh_injector.engine.placed import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Operation
from mesh_injector.engine.taking import Taken
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

ANNOTATION: Final = checks.RECORD
VERSION: Final = 2
"""The newest version that this program knows. Each record is written in the oldest version that can say it, so that two releases side
by side write the same bytes: 1, or 2 where something was taken away."""
ANNOTATIONS_LIMIT: Final = 256 * 1024
"""Bytes of all keys and values of a pod's annotations, https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/."""

ADDRESSES: Final = 2048
"""So many things a record may list: taking them out of a pod is work, some 50 us each, that whoever writes an annotation can cause."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was added: addresses of leaves, of lists and maps that were created, old values of replaced defaults, and what was taken."""

    version: int
    mesh: str
    template: str
    added: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    replaced: dict[str, Any] = {}
    taken: tuple[Taken, ...] = ()

    @property
    def is_newer(self) -> bool:
        """Whether a newer release wrote it, which may list more than this one knows of."""
        return self.version > VERSION

    @property
    def size(self) -> int:
        """How many things it lists."""
        return len(self.added) + len(self.created) + len(self.replaced) + len(self.taken)


class NoRecord(ValueError):
    """An annotation is no record to believe; the text says why."""


class Stripped(NamedTuple):
    """A pod without what its record lists, the record, and the operations that take it out."""

    body: dict[str, Any]
    record: Record
    operations: list[Operation]


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
    added, taken = tuple(dict.fromkeys(placement.added)), tuple(placement.taken)
    record = Record(2 if taken else 1, mesh, template, added, tuple(created), placement.replaced, taken)
    text = write(record)
    _check_size(pod, operations, text, record.size)
    if has_map:
        operations.append({"op": "add", "path": f"/metadata/annotations/{address.escape(ANNOTATION)}", "value": text})
    else:
        operations.append({"op": "add", "path": "/metadata/annotations", "value": {ANNOTATION: text}})
    return operations


def _check_size(pod: Pod, operations: list[Operation], text: str, addresses: int) -> None:
    if addresses > ADDRESSES:
        what = f"the template adds {addresses} things to the pod, and a record holds at most {ADDRESSES}"
        raise InjectionError(Reason.RENDERED_INVALID_POD, what, where=f"metadata.annotations[{ANNOTATION}]", fix="bring fewer things")
    size = sum(len(f"{key}{value}".encode()) for key, value in (_annotations(pod, operations) | {ANNOTATION: text}).items())
    if size > ANNOTATIONS_LIMIT:
        what = f"the record of what is added takes {len(text.encode())} bytes and all annotations {size}, of {ANNOTATIONS_LIMIT} allowed"
        fix = "bring fewer or shorter things"
        raise InjectionError(Reason.RENDERED_INVALID_POD, what, where=f"metadata.annotations[{ANNOTATION}]", fix=fix)


def _annotations(pod: Pod, operations: Iterable[Operation]) -> dict[str, str]:
    """The annotations of a pod as operations of placing leave them: whole maps, or one entry by its pointer."""
    found = dict(pod.annotations)
    for operation in operations:
        at, _, key = operation["path"].partition("/metadata/annotations")
        if not at and key:
            found[key[1:].replace("~1", "/").replace("~0", "~")] = operation["value"]
        elif operation["path"] == "/metadata/annotations":
            found = dict(operation["value"])
    return found


def write(record: Record) -> str:
    """Write a record as the annotation's text: compact JSON, the same on every replica."""
    return msgspec.json.encode(record).decode()


def read(text: str) -> Record | None:
    """Read the annotation; None when it is no record of ours: not JSON, another version, or an address we cannot have written."""
    try:
        return parse(text)
    except NoRecord:
        return None


def parse(text: str) -> Record:
    """Read the annotation as `read` does, and raise `NoRecord` that says why it is none."""
    if len(text) > ANNOTATIONS_LIMIT:
        raise NoRecord(f"is of {len(text)} characters, and no annotations are longer than {ANNOTATIONS_LIMIT} bytes")
    try:
        record = msgspec.json.decode(text, type=Record)
    except RecursionError as error:
        raise NoRecord("is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise NoRecord(f"is no record: {error}") from error
    if record.version < 1:
        raise NoRecord(f"is of version {record.version}, which there never was")
    if record.size > ADDRESSES:
        raise NoRecord(f"lists {record.size} things, and no record lists more than {ADDRESSES}")
    return _READERS.get(record.version, _read_newer)(record)


def _read_first(record: Record) -> Record:
    """Version 1 knows nothing that was taken."""
    return _believed(msgspec.structs.replace(record, taken=()))


def _believed(record: Record) -> Record:
    for member, is_possible in claims.POSSIBLE.items():
        for claim in getattr(record, member):
            if not is_possible(claim):
                name = claim.at if isinstance(claim, Taken) else claim
                raise NoRecord(f"lists `{name:.80}` as {member}, which mesh-injector never writes")
    return record


def _read_newer(record: Record) -> Record:
    """Read what we know of a newer version: the claims that are possible, each believed for itself, and no other."""
    known = {
        member: tuple(claim for claim in getattr(record, member) if claims.POSSIBLE[member](claim))
        for member in ("added", "created", "taken")
    }
    replaced = {name: old for name, old in record.replaced.items() if claims.is_member(name)}
    return msgspec.structs.replace(record, replaced=replaced, **known)


_READERS: Final[Mapping[int, Callable[[Record], Record]]] = {1: _read_first, 2: _believed}
"""What each version of the record means."""


def strip(pod: Pod) -> Stripped | None:
    """Take what the record lists out of a pod, and put back what it says was taken away; None when there is no record to believe."""
    try:
        return take_out(pod)
    except NoRecord:
        return None


def take_out(pod: Pod) -> Stripped:
    """Take what the record lists out of a pod, as `strip` does, and raise `NoRecord` that says why there is none."""
    text = pod.annotations.get(ANNOTATION)
    if text is None:
        raise NoRecord("is not there")
    return without(pod, parse(text))


def without(pod: Pod, record: Record, *, put_back: bool = True) -> Stripped:
    """Take what a record that was read lists out of the pod that carries it; raise `NoRecord` where no container is left."""
    body = pod.whole()
    del body["metadata"]["annotations"][ANNOTATION]
    operations: list[Operation] = [{"op": "remove", "path": f"/metadata/annotations/{address.escape(ANNOTATION)}"}]
    finder = address.Finder(body)
    operations += map(remove, address.last_first(filter(None, (finder.find(claims.where(name)) for name in record.added))))
    finder = address.Finder(body)
    operations += taking.put_back(finder, record.taken if put_back else ())
    for name, old in record.replaced.items():
        operations += _restore(finder, name, old)
    for name in innermost_first(record.created):
        operations += _remove_if_empty(finder, name)
    if not (body.get("spec") or {}).get("containers"):
        raise NoRecord("leaves no container in the pod")
    return Stripped(body, record, operations)


def remove(place: Place) -> Operation:
    """Take out what stands at a place, and say by which operation."""
    del place.holder[place.key]
    return {"op": "remove", "path": place.pointer}


def innermost_first(created: Iterable[str]) -> list[str]:
    """Sort the addresses of lists and maps so that each comes before what holds it; `metadata` holds maps that do not say so."""
    return sorted(created, key=lambda name: (name != "metadata", len(name)), reverse=True)


def _restore(finder: Finder, name: str, old: Any) -> Sequence[Operation]:
    """Put an old value back; only Kubernetes' defaults and empty values are believed."""
    at = claims.where(name)
    holder, key = finder.parent(at), str(at[-1])
    if holder is None or not isinstance(holder.value, dict) or not claims.is_default(at, old):
        return ()
    is_there = key in holder.value
    holder.value[key] = old
    return ({"op": "replace" if is_there else "add", "path": f"{holder.pointer}/{address.escape(key)}", "value": old},)


def _remove_if_empty(finder: Finder, name: str) -> Sequence[Operation]:
    if name == "metadata":
        place = Place(finder.body, "metadata", "/metadata", None) if finder.body.get("metadata") == {} else None
    else:
        place = finder.find(claims.where(name))
    return (remove(place),) if place is not None and place.value in ({}, []) else ()
