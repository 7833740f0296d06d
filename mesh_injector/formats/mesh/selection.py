"""Which meshes select a pod, and what follows from that: asked of every pod, so it is remembered by exactly the labels that are read.

Each namespace has a memory of its own: pods with ever new labels crowd out only what is remembered of their neighbours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from mesh_injector.engine.memory import Memory
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.formats.mesh.mesh import Mesh

Labels = tuple[tuple[str, str], ...]
Meshes = tuple[Mesh, ...]
Choice = TypeVar("Choice")
Choose = Callable[[Meshes, Mapping[str, str]], Choice]
"""What follows from the meshes that select a pod and from its labels, of which only those that are read are there."""

ROOM: Final = 16 * 1024 * 1024
"""Bytes for all namespaces together: their names come with the requests, and need not exist."""
PODS_ROOM: Final = 16 * 1024
"""Bytes for the pods of one namespace; a namespace is charged for them before they come."""
_OVERHEAD: Final = 256
"""Bytes that an entry takes beside its texts, roughly."""


class Selection(Generic[Choice]):
    """The meshes of a snapshot, asked whom they select: `mismatch` of every mesh and what `choose` makes of the others, remembered."""

    def __init__(
        self, meshes: Sequence[Mesh], choose: Choose[Choice], reads: Iterable[str] = (), weigh: Callable[[Choice], int] = lambda _: 0
    ) -> None:
        """`reads` are the keys of the labels that `choose` reads; `weigh` says how many bytes a choice takes."""
        self._meshes, self._choose, self._reads, self._weigh = tuple(meshes), choose, frozenset(reads), weigh
        self._keys = _keys(mesh.namespace_selector.keys for mesh in meshes if mesh.namespace_selector)
        self._namespaces: Memory[tuple[str, Labels], _InNamespace[Choice]] = Memory(
            self._in_namespace, lambda key, _: PODS_ROOM + _OVERHEAD + len(key[0]) + _size(key[1]), room=ROOM, largest=2 * PODS_ROOM
        )

    def choice(self, pod: Pod, namespace: Namespace) -> Choice:
        """Say what follows from the meshes that select a pod, which come in their order."""
        within = self._namespaces((namespace.name, _read(namespace.labels, self._keys)))
        keys = within.keys
        return within.choices(tuple([label for label in pod.labels.items() if label[0] in keys]))

    @property
    def hits(self) -> int:
        """How often a pod's answer was remembered."""
        return sum(one.choices.hits for one in self._namespaces.results())

    @property
    def weight(self) -> int:
        """The bytes that all memories take, by their weights."""
        return self._namespaces.weight + sum(one.choices.weight for one in self._namespaces.results())

    def forget(self) -> None:
        """Forget all answers."""
        self._namespaces.forget()

    def _in_namespace(self, key: tuple[str, Labels]) -> "_InNamespace[Choice]":
        namespace = Namespace(key[0], dict(key[1]))
        return _InNamespace(
            [mesh for mesh in self._meshes if not mesh.namespace_mismatch(namespace)], self._choose, self._reads, self._weigh
        )


class _InNamespace(Generic[Choice]):
    """The meshes that select pods of one namespace."""

    def __init__(self, meshes: Sequence[Mesh], choose: Choose[Choice], reads: frozenset[str], weigh: Callable[[Choice], int]) -> None:
        self._meshes, self._choose = tuple(meshes), choose
        self.keys = _keys(mesh.pod_selector.keys for mesh in meshes if mesh.pod_selector) | reads
        self.choices: Memory[Labels, Choice] = Memory(self._among, lambda key, made: _OVERHEAD + _size(key) + weigh(made), room=PODS_ROOM)

    def _among(self, read: Labels) -> Choice:
        labels = dict(read)
        return self._choose(tuple(mesh for mesh in self._meshes if not mesh.pod_mismatch(labels)), labels)


def _keys(parts: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*parts)


def _read(labels: Mapping[str, str], keys: frozenset[str]) -> Labels:
    """Keep what the selectors read: nothing else can change their answer. A pod has few labels, and the selectors may read many."""
    return () if keys.isdisjoint(labels) else tuple([label for label in labels.items() if label[0] in keys])


def _size(labels: Labels) -> int:
    return sum(len(key) + len(value) for key, value in labels)
