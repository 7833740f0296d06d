"""What is read of an API server: which objects, all of them page by page, and what one must be to count as an object.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from dataclasses import dataclass
from typing import Final

from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube import client, resource
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.resource import Key, Object, Resource

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """What is reflected: a resource, of one namespace or of all, with a label selector or without, or one object by its name."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    name: str = ""
    fields: str = ""
    """A field selector, for what has no name."""

    @property
    def selectors(self) -> dict[str, str]:
        """How a list or watch asks for it; rights to one object by its name count where it is asked for by this field."""
        fields = f"metadata.name={self.name}" if self.name else self.fields
        return {"labelSelector": self.labels, **({"fieldSelector": fields} if fields else {})}


async def listed(cluster: Cluster, scope: Scope, page: int = PAGE, accept: str = client.JSON) -> tuple[dict[Key, Object], str]:
    """Read all objects of a scope, page by page in a form, and the resource version of the list. Raises ClusterError."""
    found: dict[Key, Object] = {}
    query: dict[str, str | int] = {"limit": page, **scope.selectors}
    while True:
        answer = await cluster.get(scope.resource.path(scope.namespace), query, accept)
        at = version(answer)
        found |= {key(body): body for body in _items(answer, scope.resource)}
        if not (after := answer["metadata"].get("continue")):
            return found, at
        query["continue"] = after


def _items(page: Object, of: Resource) -> list[Object]:
    """The objects of a list, which come without kind and version."""
    items = page.get("items", "")
    if items is None:  # an empty list of metadata
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise unreadable()
    return [{"apiVersion": of.api_version, "kind": of.kind, **item} for item in items]


def key(body: Object) -> Key:
    """Namespace and name of what must be an object. Raises ClusterError."""
    try:
        namespace, name = resource.key(body)
    except (LookupError, TypeError, AttributeError) as error:
        raise unreadable() from error
    if not (isinstance(namespace, str) and isinstance(name, str)):
        raise unreadable()
    return namespace, name


def version(body: Object) -> str:
    """The resource version of an object or a list. Raises ClusterError."""
    metadata = body.get("metadata")
    found = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(found, str):
        raise unreadable()
    return found


def unreadable() -> ClusterError:
    """Say that an answer is none of an API server."""
    return ClusterError(Problem(reasons.CLUSTER_UNREACHABLE, "what came is no object of Kubernetes"), 200)
