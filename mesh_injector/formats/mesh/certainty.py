"""What is wrong with a Mesh and its template for every pod that the Mesh selects: known when they are loaded, before any pod comes.

Nothing is said of what some pod might mend by a label, a port, an annotation or a branch that it takes.
"""

from typing import Final
from weakref import WeakKeyDictionary

from mesh_injector.engine import overlay
from mesh_injector.engine.template import PatchTemplate
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import sketch, variables
from mesh_injector.formats.mesh.mesh import Mesh

_OF_THE_MESH: Final = frozenset({"mesh_name", "MeshName", "region", "AwsRegion", "mesh"})
"""The variables that no pod changes; `values` is one where the mesh lists no overrides."""

_in_every_branch: WeakKeyDictionary[PatchTemplate, dict[bool, InjectionError | None]] = WeakKeyDictionary()
"""What is known of templates, by `privileged`: an unchanged template keeps its compiled object, and so this."""


def fault(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Find what keeps a template from being injected into any pod of a mesh; None where some pod may be injected."""
    missing = variables.missing_region(mesh, template) or variables.missing_key(mesh, template)
    if missing is not None:
        return missing
    if template.named <= _OF_THE_MESH | (set() if mesh.spec.overrides else {"values"}):
        return _rendering(mesh, template)
    return _branches(mesh, template)


def _branches(mesh: Mesh, template: PatchTemplate) -> InjectionError | None:
    """Ask the branches; what a stand-in pod renders without a fault is right after all, since conditions may go together."""
    known = _in_every_branch.setdefault(template, {})
    if mesh.privileged not in known:
        error = sketch.in_every_branch(template, privileged=mesh.privileged)
        known[mesh.privileged] = error and _bare(error)
    found = known[mesh.privileged]
    return found if found is not None and _rendering(mesh, template) is not None else None


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
