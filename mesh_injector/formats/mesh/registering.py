"""What meshes want to be asked about: the selectors by which an API server finds their pods, without asking about any other.

A mesh that is off, or whose selectors are wrong, wants nothing.
"""

from collections.abc import Iterable

from mesh_injector.engine.rules import Registration, Severity
from mesh_injector.formats.mesh.mesh import Mesh


def registrations(meshes: Iterable[Mesh]) -> tuple[Registration, ...]:
    """Make the registration of each mesh that injects, in the order of the meshes."""
    return tuple(_registration(mesh) for mesh in meshes if mesh.spec.enable_auto_inject and not mesh.selector_fault)


def _registration(mesh: Mesh) -> Registration:
    return Registration(
        str(mesh),
        mesh.generation,
        mesh.pod_selector,
        mesh.namespace_selector,
        only_in="" if mesh.home else mesh.namespace,
        is_required=mesh.severity is Severity.REFUSE,
    )
