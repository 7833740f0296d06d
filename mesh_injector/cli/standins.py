"""Pods for commands that are given none: for each mesh one that it selects, with what templates ask for."""

from collections.abc import Iterator

from mesh_injector.cli.subjects import Decide
from mesh_injector.documents import Document, Origin
from mesh_injector.engine import pipeline
from mesh_injector.engine.outcome import Outcome
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.formats.mesh import sketch
from mesh_injector.store import Snapshot

SOURCE = "a stand-in pod"


def of(snapshot: Snapshot) -> Iterator[tuple[Document, Namespace]]:
    """Iterate over a pod for each mesh, and the namespace in which the mesh selects it."""
    for mesh in snapshot.rules.meshes:
        body, namespace = sketch.stand_in_pod(mesh)
        body["metadata"] |= {"name": f"{mesh.name}-pod", "namespace": namespace.name}
        yield Document(body, Origin(SOURCE)), namespace


def deciding(snapshot: Snapshot, wanted: Namespace) -> Decide[Outcome]:
    """Answer as the webhook would where a namespace has also the labels that a mesh wants."""

    def decide(pod: Pod, name: str) -> tuple[Namespace, Outcome]:
        known = snapshot.namespace(name)
        namespace = Namespace(name, {**wanted.labels, **known.labels}, known.annotations)
        return namespace, pipeline.inject(pod, namespace, snapshot.rules)

    return decide
