"""The resources that are read and written, each with the paths of its objects.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

import re
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
"""A Kubernetes object as JSON: the envelope is known, its cargo is not ours."""
Key = tuple[str, str]
"""Namespace (empty for what is in none) and name of an object."""

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.:]*[a-z0-9])?")
"""What every name of an object consists of; `..` and `/` would lead to another path."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of an API: `api` is the begin of its path, `api/v1` or `apis/<group>/<version>`."""

    api: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """Group and version as objects have them: items of a list come without."""
        return self.api.partition("/")[2]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of all objects (of a namespace), or of one. Raises ValueError for what cannot be a name."""
        for part in filter(None, (namespace, name)):
            if not _NAME.fullmatch(part) or len(part) > 253:
                raise ValueError(f"{part!r:.80} is no name of an object")
        parts = ("", self.api, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource)
        return "/".join(part for index, part in enumerate(parts) if part or not index)


MESHES: Final = Resource("apis/mesh-injector.io/v1alpha1", "meshes", "Mesh")
CONFIG_MAPS: Final = Resource("api/v1", "configmaps", "ConfigMap")
NAMESPACES: Final = Resource("api/v1", "namespaces", "Namespace")
PODS: Final = Resource("api/v1", "pods", "Pod")


def key(body: Object) -> Key:
    """Namespace and name of an object."""
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
