"""One mesh's template at work: from a pod to the decision about it, remembered by exactly what the rendering depends on."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mesh_injector.engine import overlay
from mesh_injector.engine.memory import Memory, Shelf
from mesh_injector.engine.overlay import FromTemplate, Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Decision, Namespace
from mesh_injector.engine.template import PatchTemplate, Rendered
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import variables
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.variables import Context
from mesh_injector.reasons import Reason

ROOM: Final = 32 * 1024 * 1024
"""Bytes for the overlays of all meshes together, by their weights."""
LEAST_ROOM: Final = 256 * 1024
LARGEST_CONTEXT: Final = 16 * 1024
"""Characters of what a rendering depends on: labels and annotations arrive unvalidated and may be megabytes."""


class Rendering:
    """Decides for one mesh. Its memory is its own, so that the pods of one mesh cannot crowd out those of another."""

    def __init__(self, mesh: Mesh, template: PatchTemplate, room: int) -> None:
        self.mesh, self.template = mesh, template
        self._reader = variables.Reader(mesh, template)
        self._decision = functools.partial(decision, mesh)
        self._remembered = Memory(self._make, _weigh, room=room, largest=room // 4)
        self._bodies: Shelf[bytes, Overlay] = Shelf(room, room // 4)
        """Overlays by what was rendered, for a template that is rendered for every pod: those of one Deployment mostly get the same."""

    def decide(self, pod: Pod, namespace: Namespace) -> Decision:
        """Decide about a pod that the mesh selects: the overlay that it gets, or the error that keeps it from having one."""
        context = self._reader.read(pod, namespace)
        return self._make(context) if self._reader.reads_pod else self._remembered(context)

    def _make(self, context: Context) -> Decision:
        try:
            rendered = self.template.render(variables.from_context(self.mesh, self.template, context))
            return self._decision(overlays=(self._known(rendered) if self._reader.reads_pod else self._checked(rendered),))
        except InjectionError as error:
            return self._decision(error=error.alone())

    def _checked(self, rendered: Rendered) -> Overlay:
        return overlay.make(rendered, privileged=self.mesh.privileged, init_first=self.mesh.spec.init_containers == "First")

    def _known(self, rendered: Rendered) -> Overlay:
        body = msgspec.json.encode(rendered.body)
        known = self._bodies.get(body)
        if known is not None:
            return known.told_by(FromTemplate(rendered))
        made = self._checked(rendered)
        self._bodies.put(body, made, _weight(made))
        return made

    @property
    def remembered(self) -> Memory[Context, Decision]:
        """What is remembered, to be looked at."""
        return self._remembered

    def forget(self) -> None:
        """Forget all overlays and skeletons."""
        self._remembered.forget()
        self._bodies.forget()
        self.template.forget()


def decision(mesh: Mesh, overlays: Sequence[Overlay] = (), error: InjectionError | None = None) -> Decision:
    """Make the decision that a mesh injects a pod, or cannot."""
    return Decision(Reason.INJECTED, str(mesh), mesh.digest, overlays, error=error, severity=mesh.severity)


def all_of(meshes: Sequence[Mesh], last: Mapping[str, Rendering]) -> dict[str, Rendering]:
    """Make the renderings of all meshes that can have one; of a mesh that did not change it is the last one, and what it remembers."""
    room = max(ROOM // max(len(meshes), 1), LEAST_ROOM)
    made = {}
    for mesh in meshes:
        kept = last.get(str(mesh))
        if kept is not None and _same(kept.mesh, mesh):
            made[str(mesh)] = kept
        elif mesh.template is not None and mesh.fault is None:
            made[str(mesh)] = Rendering(mesh, mesh.template, room)
    return made


def _same(last: Mesh, mesh: Mesh) -> bool:
    """Whether two meshes render alike: equal, of the same types (`1 == True`) and in the same order (`values|items`)."""
    return last == mesh and _written(last) == _written(mesh)


def _written(mesh: Mesh) -> tuple[str, tuple[object, ...], tuple[object, ...]]:
    return mesh.spec.model_dump_json(), tuple(mesh.labels.items()), tuple(mesh.annotations.items())


def _weigh(context: Context, made: Decision) -> int:
    """Estimate the bytes of a context and its decision; a large context weighs too much to keep."""
    read = len(repr(context))
    if read > LARGEST_CONTEXT:
        return ROOM + 1
    return 10 * read + len(str(made.error)) + sum(map(_weight, made.overlays))


def _weight(made: Overlay) -> int:
    """Estimate the bytes of an overlay: with its sites Python needs about 25 for each of JSON."""
    return 4096 + overlay.OUTCOMES_ROOM + 25 * made.size
