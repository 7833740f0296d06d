"""The webhook configuration, brought to what the meshes ask and kept there, and what of it is really in the API server.

The installation ships it without entries, and deleting it is the way out in an emergency: it is never created here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from mesh_injector import reasons
from mesh_injector.documents import Document
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.formats.mesh import registering
from mesh_injector.formats.mesh.load import is_mesh
from mesh_injector.kube import entries
from mesh_injector.kube.entries import Entry, Plan, Target
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.resource import Object, Resource
from mesh_injector.store import Snapshot

CONFIGURATIONS: Final = Resource("apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration")
LEADER: Final = "mesh-injector.io/leader"
"""The annotation by which a new leader makes older versions of the configuration useless to whoever led before."""
_NOTHING_ASKED: Final = Problem(
    reasons.NOT_REGISTERED, "there is nothing that the mesh could be registered by", "", "see its other conditions"
)
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Registered:
    """What is known of a snapshot's meshes: uid and generation of each by its name, and why it is not registered, if it is not.

    `failed` where the API server did not do what was asked, so that it is worth asking again.
    """

    versions: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    failed: bool = False

    def knows(self, document: Document) -> bool:
        """Whether this is about a Mesh as it is written there: also one of the same name that was created anew begins at generation 1."""
        return _version(document) is not None and self.versions.get(_mesh(document)) == _version(document)


class Registration:
    """The entries of one configuration, as one leader's term writes them."""

    def __init__(self, cluster: Fenced, name: str, home: str) -> None:
        self._cluster, self._home = cluster, home
        self._name = name
        self._kept: tuple[Mapping[str, Entry], Mapping[str, Entry]] | None = None
        self._told = ""

    async def reconcile(self, snapshot: Snapshot, target: Target, found: Object | None) -> tuple[Registered, Object | None]:
        """Bring the configuration from what was `found` to what a snapshot's meshes ask; what came of it, and the object if it was written.

        Raises Deposed. What goes wrong with the API server is in what came of it.
        """
        if found is None:
            missing = _missing(self._name)
            self._tell(missing)
            return _registered(snapshot, {}, missing), None
        present = _present(found)
        plan = entries.Planner(target, self._home).plan(registering.registrations(snapshot.loaded.meshes), broken(snapshot), present)
        if not self._differs(plan, found):
            return _registered(snapshot, _unregistered(plan, present)), None
        try:
            written = await write(self._cluster, CONFIGURATIONS, found, plan.entries)
        except ClusterError as error:
            self._tell(error.problem)
            known = _unregistered(plan, present, error.problem)
            return replace(_registered(snapshot, known, error.problem), failed=True), None
        self._kept = plan.entries, _present(written)
        self._told = ""
        _log.info("registered", configuration=self._name, entries=len(plan.entries), left_out=len(plan.left_out))
        return _registered(snapshot, _unregistered(plan, _present(written))), written

    def _differs(self, plan: Plan, found: Object) -> bool:
        """Whether anything of ours is missing, changed or left over, unless that is what the API server made of the same plan before."""
        present, annotations = _present(found), found["metadata"].get("annotations") or {}
        is_same = {name: entry for name, entry in present.items() if entries.is_ours(name)} == plan.entries
        return annotations.get(LEADER) != self._cluster.term.name or not (is_same or (plan.entries, present) == self._kept)

    def _tell(self, problem: Problem) -> None:
        if str(problem) != self._told:
            _log.warning("not registered", code=problem.code, what=problem.what, where=problem.where, fix=problem.fix)
        self._told = str(problem)


async def write(cluster: Fenced, resource: Resource, found: Object, made: Mapping[str, Entry]) -> Object:
    """Apply all entries of a configuration by server-side apply, to exactly the version that was found.

    Raises ClusterError, and Deposed.
    """
    metadata = {name: found["metadata"][name] for name in ("name", "uid", "resourceVersion")}
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata | {"annotations": {LEADER: cluster.term.name}},
        "webhooks": list(made.values()),
    }
    return await cluster.apply(resource.path(name=metadata["name"]), body)


def _missing(name: str) -> Problem:
    what = f"there is no MutatingWebhookConfiguration `{name}`, so no pod is injected"
    return Problem(reasons.NOT_REGISTERED, what, "", "if that is not meant, apply the installation's again: its entries are then filled in")


def _present(found: Object) -> dict[str, Entry]:
    return {entry["name"]: entry for entry in found.get("webhooks") or ()}


def broken(snapshot: Snapshot) -> set[str]:
    """Find the meshes that are on, as far as one can tell, and cannot say what they ask for: their entries stay as they are."""
    faulty = (mesh for mesh in snapshot.loaded.meshes if mesh.selector_fault and mesh.spec.enable_auto_inject)
    return {*snapshot.loaded.unusable, *map(str, faulty)}


def _unregistered(plan: Plan, present: Mapping[str, Entry], failure: Problem | None = None) -> dict[str, Problem | None]:
    """For each mesh that asks: why the API server does not have its entry, or None where it has."""
    changed = Problem(reasons.NOT_REGISTERED, "the API server keeps another entry than the one it was given")
    found: dict[str, Problem | None] = dict(plan.left_out)
    for mesh, name in plan.of_mesh.items():
        found[mesh] = None if present.get(name) == plan.entries[name] else failure or changed
    return found


def _registered(snapshot: Snapshot, known: Mapping[str, Problem | None], otherwise: Problem | None = None) -> Registered:
    """What came of a snapshot; of a mesh of which nothing is known there is nothing that it could be registered by."""
    meshes = [document for document in snapshot.documents if is_mesh(document)]
    found = {_mesh(document): known.get(_mesh(document), otherwise or _NOTHING_ASKED) for document in meshes}
    versions = {_mesh(document): version for document in meshes if (version := _version(document))}
    return Registered(versions, {mesh: problem for mesh, problem in found.items() if problem})


def _mesh(document: Document) -> str:
    return f"{document.namespace}/{document.name}"


def _version(document: Document) -> tuple[str, int] | None:
    """What tells one Mesh as its author wrote it from another; None for one that is in no cluster."""
    metadata = document.body.get("metadata") or {}
    return (metadata["uid"], metadata["generation"]) if "uid" in metadata and "generation" in metadata else None
