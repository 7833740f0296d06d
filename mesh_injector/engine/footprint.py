"""What of a pod one overlay comes upon: pods that are alike in that are placed on alike, so it is done once for all of them.

A footprint is a key, and the pod that is placed on is made of the footprint alone: nothing else can enter the result.
"""

from collections.abc import KeysView, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mesh_injector.engine import checks, defaults, policy
from mesh_injector.engine.pod import Container, Pod

if TYPE_CHECKING:
    from mesh_injector.engine.overlay import Overlay

Texts = tuple[tuple[str, str], ...]
Members = tuple[tuple[str, bytes], ...]

ADDED_TO: Final = {"env": "name", "volumeMounts": "mountPath"}
"""The fields of a pod's own container that an overlay can add to and still have footprints, each with the key of its items."""

_LISTS: Final = frozenset({*checks.CONTAINER_LISTS, "volumes"})
_METADATA: Final = frozenset({"labels", "annotations", "finalizers"})
_FILLER: Final = ""
"""A key that no annotation has: its value stands for all annotations that the overlay does not bring, of which only the size counts."""


class Own(msgspec.Struct, frozen=True):
    """The pod's own containers of one list: their names in order, and which members of `ADDED_TO` those have that ours are added to."""

    names: tuple[str, ...] = ()
    members: tuple[tuple[str, ...], ...] = ()

    def containers(self) -> list[dict[str, Any]]:
        """Make containers of it, with nothing in their lists."""
        return [{"name": name, **{member: [] for member in there}} for name, there in zip(self.names, self.members, strict=True)]


class Footprint(msgspec.Struct, frozen=True, cache_hash=True):
    """All that placing one overlay on a pod, judging the two together and sealing that depends on.

    `labels` and `annotations` are those that the overlay brings too, None where the pod has no such map; `other_bytes` the size of its
    other annotations; `finalizers` and the members of `spec` are JSON; `own` are the containers of each list, None where there is none;
    `volumes` the names of those volumes that ours mount and do not bring, None where the pod has none at all.
    """

    has_metadata: bool
    labels: Texts | None
    annotations: Texts | None
    other_bytes: int
    finalizers: bytes
    spec: Members
    own: tuple[Own | None, ...]
    volumes: tuple[str, ...] | None

    def pod(self) -> Pod:
        """Make the pod that stands for all pods with this footprint."""
        spec: dict[str, Any] = {name: msgspec.Raw(value) for name, value in self.spec}
        spec |= {kind: own.containers() for kind, own in zip(checks.CONTAINER_LISTS, self.own, strict=True) if own is not None}
        if self.volumes is not None:
            spec["volumes"] = [{"name": name} for name in self.volumes]
        if not self.has_metadata:
            return Pod.from_document({"spec": spec})
        metadata: dict[str, Any] = {"finalizers": msgspec.Raw(self.finalizers)} if self.finalizers else {}
        if self.labels is not None:
            metadata["labels"] = dict(self.labels)
        if self.annotations is not None:
            filler = {_FILLER: "x" * self.other_bytes} if self.other_bytes else {}
            metadata["annotations"] = dict(self.annotations) | filler
        return Pod.from_document({"metadata": metadata, "spec": spec})

    @property
    def weight(self) -> int:
        """The bytes that it takes, roughly."""
        texts = sum(len(key) + len(value) for key, value in (*(self.labels or ()), *(self.annotations or ()), *self.spec))
        names = sum(len(name) + 64 for own in self.own if own for name in own.names)
        return 512 + texts + names + len(self.finalizers)


class Footprints:
    """Reads the footprints of pods for one overlay; what it has to look for is worked out once."""

    def __init__(self, overlay: "Overlay") -> None:
        spec, metadata, reads = overlay.spec, overlay.metadata, overlay.union.reads
        self._is_possible = reads is not None and overlay.policies == policy.NONE and metadata.keys() <= _METADATA and _is_simple(spec)
        self._labels, self._annotations = (dict.fromkeys(metadata.get(name) or ()).keys() for name in ("labels", "annotations"))
        self._has_finalizers = "finalizers" in metadata
        companions = {name for field in spec for name in defaults.COMPANIONS.get(field, ())}
        self._members = tuple(sorted((spec.keys() | companions | (reads or frozenset())) - _LISTS))
        self._lists = tuple(_OwnList(kind, spec) for kind in checks.CONTAINER_LISTS)
        self._brought = frozenset(one["name"] for kind in checks.CONTAINER_LISTS for one in spec.get(kind) or () if "image" in one)
        self._volumes = frozenset(volume["name"] for volume in spec.get("volumes") or ())
        self._mounted = overlay.union.mounted

    def of(self, pod: Pod) -> Footprint | None:
        """Read the footprint of a pod; None where the pod has to be taken as a whole: something collides, or is hardly ever there."""
        if not self._is_possible or pod.host_network or pod.has("resources") or checks.RECORD in pod.annotations:
            return None
        labels, annotations = pod.metadata.labels, pod.metadata.annotations
        try:
            self._look_for_containers(pod)
            return Footprint(
                pod.has_metadata,
                None if labels is None else _among(labels, self._labels),
                None if annotations is None else _among(annotations, self._annotations),
                _bytes_beside(annotations, self._annotations) if annotations else 0,
                bytes(pod.metadata.finalizers) if self._has_finalizers else b"",
                pod.raws(self._members) if self._members else (),
                (self._lists[0].own(pod, pod.init_containers), self._lists[1].own(pod, pod.containers)),
                self._volumes_of(pod) if pod.has("volumes") else None,
            )
        except _CollidesError:
            return None

    def _look_for_containers(self, pod: Pod) -> None:
        """Look whether a container that the overlay brings is there already. Raises _CollidesError."""
        for container in (*pod.init_containers, *pod.containers):
            if container.name in self._brought:
                raise _CollidesError

    def _volumes_of(self, pod: Pod) -> tuple[str, ...]:
        if not self._volumes and not self._mounted:
            return ()
        names = pod.volume_names()
        if names is None or not self._volumes.isdisjoint(names):
            raise _CollidesError
        return tuple([name for name in self._mounted if name in names]) if self._mounted else ()


_NOTHING_READ: Final = Own()


class _OwnList:
    """What of one list of the pod's containers an overlay comes upon."""

    def __init__(self, kind: str, spec: Mapping[str, Any]) -> None:
        self._kind = kind
        self._added_to = {one["name"]: _keys(one) for one in spec.get(kind) or () if "image" not in one}

    def own(self, pod: Pod, theirs: Sequence[Container]) -> Own | None:
        """Read it. Raises _CollidesError where a variable or mount is there already, or a container to add to is not."""
        if not self._added_to:
            return _NOTHING_READ if theirs or pod.has(self._kind) else None
        names = tuple([container.name for container in theirs])
        if len(set(names)) < len(names) or not self._added_to.keys() <= set(names):
            raise _CollidesError
        return Own(names, tuple([self._members(container) for container in theirs]))

    def _members(self, container: Container) -> tuple[str, ...]:
        added_to = self._added_to.get(container.name)
        if added_to is None:
            return ()
        if container.has("volumeDevices"):
            raise _CollidesError
        there = tuple([name for name in ADDED_TO if container.has(name)])
        for name in there:
            keys = container.keys(name) if name in added_to else ()
            if keys is None or not added_to.get(name, frozenset()).isdisjoint(keys):
                raise _CollidesError
        return there


class _CollidesError(Exception):
    """What an overlay brings is in the pod already, or what it adds to is not."""


def _keys(container: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The keys of what an overlay adds to a container, by field."""
    return {name: frozenset(item[key] for item in container[name]) for name, key in ADDED_TO.items() if name in container}


def _is_simple(spec: Mapping[str, Any]) -> bool:
    """Whether all that the overlay adds to containers of the pod's own is such as is judged alone."""
    added_to = [one for kind in checks.CONTAINER_LISTS for one in spec.get(kind) or () if "image" not in one]
    mounts = (mount for one in added_to for mount in one.get("volumeMounts") or ())
    return all(one.keys() <= {"name", *ADDED_TO} for one in added_to) and not any("mountPropagation" in mount for mount in mounts)


def _among(texts: Mapping[str, str], keys: KeysView[str]) -> Texts:
    return () if keys.isdisjoint(texts) else tuple([(key, texts[key]) for key in keys if key in texts])


def _bytes_beside(annotations: Mapping[str, str], keys: KeysView[str]) -> int:
    """The size of all annotations but some, as the record's bound counts it."""
    others = annotations if keys.isdisjoint(annotations) else {key: text for key, text in annotations.items() if key not in keys}
    text = "".join((*others, *others.values()))
    return len(text) if text.isascii() else len(text.encode())
