"""The ValidatingWebhookConfiguration: whoever changes a Mesh or a template asks us first, as long as we are there.

`Ignore`: the conditions of a Mesh are what counts, and without us a Mesh can still be mended.
Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from typing import Any, Final

import structlog

from mesh_injector.errors import ClusterError
from mesh_injector.formats.mesh import spec
from mesh_injector.formats.mesh.config_maps import TEMPLATE_LABEL
from mesh_injector.kube import registration
from mesh_injector.kube.entries import Entry, Target
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.resource import Object, Resource

CONFIGURATIONS: Final = Resource(
    "apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"
)
PATH: Final = "/validate"
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


async def reconcile(cluster: Fenced, target: Target, found: Object | None) -> tuple[Object | None, bool]:
    """Bring the configuration from what was `found` to our entries; the object if it was written, and whether that failed.

    Where it is not there nothing is done: deleting it is how to do without. Raises Deposed.
    """
    made = entries(target)
    if found is None or ({entry["name"]: entry for entry in found.get("webhooks") or ()} == made and _is_of(cluster, found)):
        return None, False
    try:
        return await registration.write(cluster, CONFIGURATIONS, found, made), False
    except ClusterError as error:
        _log.warning("changes of Meshes and templates are not validated", what=error.problem.what, where=error.problem.where)
        return None, True


def _is_of(cluster: Fenced, found: Object) -> bool:
    return (found["metadata"].get("annotations") or {}).get(registration.LEADER) == cluster.term.name


def entries(target: Target) -> dict[str, Entry]:
    """The entries by name. A ConfigMap that loses our label is asked about too: a selector looks at what was and what is to be."""
    meshes = _rule(spec.GROUP, spec.VERSION, "meshes", ("CREATE", "UPDATE"))
    config_maps = _rule("", "v1", "configmaps", ("CREATE", "UPDATE", "DELETE"))
    made = (
        _made(target, f"meshes.{spec.GROUP}", meshes, {}),
        _made(target, f"templates.{spec.GROUP}", config_maps, {"matchLabels": {TEMPLATE_LABEL: "true"}}),
    )
    return {entry["name"]: entry for entry in made}


def _rule(group: str, version: str, resource: str, operations: tuple[str, ...]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": [resource],
        "scope": "Namespaced",
    }


def _made(target: Target, name: str, rule: dict[str, Any], objects: dict[str, Any]) -> Entry:
    """Write every field out, so that an entry compares with what the API server gives."""
    return {
        "name": name,
        "clientConfig": target.client_config(PATH),
        "rules": [rule],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": objects,
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "admissionReviewVersions": ["v1"],
    }
