"""The Mesh format: Mesh resources and template ConfigMaps become rules that decide about pods."""

from mesh_injector.formats.mesh.load import DEFAULT_HOME, Loaded, is_mesh, load
from mesh_injector.formats.mesh.ruling import MeshRules

__all__ = ["DEFAULT_HOME", "Loaded", "MeshRules", "is_mesh", "load"]
