"""What is wrong with a Mesh and its template for every pod that the Mesh selects: known when they are loaded, before any pod comes.

Nothing is said of what some pod might mend by a label, a port, an annotation or a branch that it takes.
"""

from typing import Final
from weakref import WeakKeyDictionary

from mesh_injector.engine import overlay
from mesh_injector.engine.template import PatchTemplate
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import sketch, tries, variables
from mesh_injector.formats.mesh.mesh import Mesh

_in_every_branch: WeakKeyDictionary[PatchTemplate, dict[bool, InjectionError | None]] = WeakKeyDictionary()
"""What is known of templates, by `privileged`: an unchanged template keeps its compiled object, and so this."""

_of_values: WeakKeyDictionary[PatchTemplate, dict[tuple[bool, str], InjectionError | None]] = WeakKeyDictionary()
"""The same with values of meshes, of which many may have the same."""
_REMEMBERED: Final = 64


def fault(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Find what keeps a template from being injected into any pod of a mesh; None where some pod may be injected.

    What a stand-in pod renders without a fault is right after all, since conditions may go together.
    """
    missing = variables.missing_region(mesh, template) or variables.missing_key(mesh, template)
    if missing is not None:
        return missing
    return _tried(mesh, template)


@tries.once
def _tried(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    rendering = _rendering(mesh, template)
    if rendering is None or template.named <= variables.settled(mesh).variables:
        return rendering
    return _branches(mesh, template)


def _branches(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Ask the branches: at first for what no value can mend, then, for what the mesh's own values break, with these."""
    known = _in_every_branch.setdefault(template, {})
    if mesh.privileged not in known:
        error = sketch.in_every_branch(template, privileged=mesh.privileged)
        known[mesh.privileged] = error and _bare(error)
    return known[mesh.privileged] or _of_the_values(mesh, template)


def _of_the_values(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    try:
        settled = sketch.settled(mesh, template)
    except InjectionError:
        return None  # the stand-in pod lacks something, so nothing is known of its rendering
    known, key = _of_values.setdefault(template, {}), (mesh.privileged, repr(settled))
    if settled and key not in known:
        error = sketch.in_every_branch(template, settled, privileged=mesh.privileged)
        if len(known) >= _REMEMBERED:
            known.clear()
        known[key] = error and _bare(error)
    return known.get(key)


def _rendering(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Find what is wrong with the rendering for a stand-in pod, as a review would."""
    try:
        overlay.make(sketch.render(mesh, template), privileged=mesh.privileged)
    except InjectionError as error:
        return _bare(error)
    return None


def _bare(error: InjectionError) -> InjectionError:
    """Leave out where in our code it came up: that would hold the template and the rendering for as long as the error is remembered."""
    problem = error.problem
    return InjectionError(error.reason, problem.what, where=problem.where, fix=problem.fix, excerpt=problem.excerpt)
