"""Which ConfigMaps the Meshes among documents name, also Meshes that cannot be used: a misspelt field makes no template unused.

Read from the documents as they are written, since a Mesh that does not parse has no spec.
"""

from collections.abc import Iterable

from mesh_injector.documents import Document


def named(documents: Iterable[Document]) -> dict[tuple[str, str], set[str | None]]:
    """Find the namespace and name of each ConfigMap that a Mesh names, with the keys that are named; None where a Mesh leaves it out."""
    found: dict[tuple[str, str], set[str | None]] = {}
    for document in documents:
        spec = document.body.get("spec") if document.kind == "Mesh" else None
        ref = spec.get("sidecarPatchConfigMap") if isinstance(spec, dict) else None
        if isinstance(ref, dict):
            name = (str(ref.get("namespace") or document.namespace or "default"), str(ref.get("name")))
            key = ref.get("key")
            found.setdefault(name, set()).add(None if key is None else str(key))
    return found
