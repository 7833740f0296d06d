"""Which meshes select a pod: what is asked of every pod, so it is remembered by exactly the labels that some selector reads.

Each namespace has a memory of its own: pods with ever new labels crowd out only what is remembered of their neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mesh_injector.engine.memory import Memory
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.formats.mesh.mesh import Mesh

Labels = tuple[tuple[str, str], ...]
Meshes = tuple[Mesh, ...]

ROOM: Final = 16 * 1024 * 1024
"""Bytes for all namespaces together: their names come with the requests, and need not exist."""
PODS_ROOM: Final = 16 * 1024
"""Bytes for the pods of one namespace; a namespace is charged for them before they come."""
_OVERHEAD: Final = 256
"""Bytes that an entry takes beside its texts, roughly."""


class Selection:
    """The meshes of a snapshot, asked whom they select; `matching` is `mismatch` of every mesh, remembered."""

    def __init__(self, meshes: Sequence[Mesh]) -> None:
        self._meshes = tuple(meshes)
        self._keys = _keys(mesh.namespace_selector.keys for mesh in meshes if mesh.namespace_selector)
        self._namespaces: Memory[tuple[str, Labels], _InNamespace] = Memory(
            self._in_namespace, lambda key, _: PODS_ROOM + _OVERHEAD + len(key[0]) + _size(key[1]), room=ROOM, largest=2 * PODS_ROOM
        )

    def matching(self, pod: Pod, namespace: Namespace) -> Meshes:
        """Find the meshes that select a pod, in their order."""
        return self._namespaces((namespace.name, _read(namespace.labels, self._keys))).matching(pod.labels)

    @property
    def hits(self) -> int:
        """How often a pod's answer was remembered."""
        return sum(one.pods.hits for one in self._namespaces.results())

    @property
    def weight(self) -> int:
        """The bytes that all memories take, by their weights."""
        return self._namespaces.weight + sum(one.pods.weight for one in self._namespaces.results())

    def forget(self) -> None:
        """Forget all answers."""
        self._namespaces.forget()

    def _in_namespace(self, key: tuple[str, Labels]) -> "_InNamespace":
        namespace = Namespace(key[0], dict(key[1]))
        return _InNamespace([mesh for mesh in self._meshes if not mesh.namespace_mismatch(namespace)])


class _InNamespace:
    """The meshes that select pods of one namespace."""

    def __init__(self, meshes: Sequence[Mesh]) -> None:
        self._meshes = tuple(meshes)
        self._keys = _keys(mesh.pod_selector.keys for mesh in meshes if mesh.pod_selector)
        self.pods: Memory[Labels, Meshes] = Memory(self._among, lambda key, _: _OVERHEAD + _size(key), room=PODS_ROOM)

    def matching(self, labels: Mapping[str, str]) -> Meshes:
        return self.pods(_read(labels, self._keys)) if self._meshes else ()

    def _among(self, labels: Labels) -> Meshes:
        found = dict(labels)
        return tuple(mesh for mesh in self._meshes if not mesh.pod_mismatch(found))


def _keys(parts: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*parts)


def _read(labels: Mapping[str, str], keys: frozenset[str]) -> Labels:
    """Keep what the selectors read: nothing else can change their answer. A pod has few labels, and the selectors may read many."""
    return tuple([label for label in labels.items() if label[0] in keys])


def _size(labels: Labels) -> int:
    return sum(len(key) + len(value) for key, value in labels)
