"""Where the pod stands inside a workload: `find` takes the pod template out of a document, `replace` puts another in its place.

A List is no workload: its items are walked by the caller (`documents.expand`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

from mesh_injector import reasons
from mesh_injector.errors import ConfigError, Problem

Path = tuple[str, ...]

_TEMPLATE: Final[Path] = ("spec", "template")
_PATHS: Final[dict[tuple[str, str], Path]] = {
    ("v1", "Pod"): (),
    ("v1", "PodTemplate"): ("template",),
    ("v1", "ReplicationController"): _TEMPLATE,
    **{(group, kind): _TEMPLATE for group in ("apps", "extensions") for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
}
"""Where each workload keeps its pod, by group (`v1` for the core, so that no other core version counts) and kind."""
_NOT_PODS: Final = frozenset({"serving.knative.dev"})
"""Groups whose templates look like pod templates and refuse what a pod template may hold: Knative makes the pods itself."""
_WORDS: Final = {NoneType: "missing", str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


@dataclass(frozen=True, slots=True)
class Workload:
    """One pod or pod template, and the object it stands in.

    `label` is `Deployment/cart`; for a pod its name, or `cart-*` where only `generateName: cart-` is given. `pod` is a Pod whose
    `metadata` and `spec` are those of the template as they are, absent or null ones included, so that a JSON Patch for the pod
    applies to the document when `path` is put in front of it. `namespace` is the object's, or empty. `controlled_by` is
    `ReplicaSet/cart-7d` where an owner controls the object, or empty: changing such an object has no effect.
    """

    label: str
    pod: dict[str, Any]
    namespace: str
    path: Path
    controlled_by: str


def find(body: Mapping[str, Any]) -> Workload | None:
    """The pod in a document, or None where the document is no workload.

    The kinds of https://kubernetes.io/docs/concepts/workloads/ are known; a custom resource is a workload if it has containers at
    `spec.template.spec.containers`, as an Argo Rollout has (one that refers to a Deployment instead has none).

    Raises ConfigError (FIELD_WRONG) where a workload's pod is missing or malformed.
    """
    path = _path(body)
    if path is None:
        return None
    label = _label(body)
    metadata = _mapping(body, ("metadata",), label) or {}
    template = _template(body, path, label)
    pod = dict(template) if not path else {"apiVersion": "v1", "kind": "Pod", **_part(template)}
    return Workload(label, pod, _text(metadata.get("namespace")), path, _controller(metadata))


def meant(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """The `apiVersion` and `kind` of the workload that a document was surely meant to be: `pod`, `v1` `Deployment`; else None."""
    version, kind = _text(body.get("apiVersion")), _text(body.get("kind"))
    if _path(body) is not None or "." in version.partition("/")[0]:
        return None
    for group, known in _PATHS:
        if known.lower() == kind.lower() and group != "extensions":
            return (group if group == "v1" else f"{group}/v1"), known
    return None


def replace(body: Mapping[str, Any], pod: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a workload's document with the metadata and spec of `pod` in the place of the template's.

    Whatever else is in the document is the same; unchanged parts are shared with the input, which is not touched. Raises
    ConfigError (FIELD_WRONG) where the document is no workload or malformed.
    """
    workload = find(body)
    if workload is None:
        raise ConfigError(Problem(reasons.FIELD_WRONG, "the document holds no pod", _label(body), "name a pod or a workload"))
    return _put(body, workload.path, pod)


def _put(body: Mapping[str, Any], path: Path, pod: Mapping[str, Any]) -> dict[str, Any]:
    if path:
        return {**body, path[0]: _put(body[path[0]], path[1:], pod)}
    kept = {key: value for key, value in body.items() if key in pod or key not in {"metadata", "spec"}}
    return {**kept, **_part(pod)}


def _part(template: Mapping[str, Any]) -> dict[str, Any]:
    return {key: template[key] for key in ("metadata", "spec") if key in template}


def _path(body: Mapping[str, Any]) -> Path | None:
    version, kind = _text(body.get("apiVersion")), _text(body.get("kind"))
    group = version.rpartition("/")[0]
    path = _PATHS.get((group or version, kind))
    return _TEMPLATE if path is None and _embeds_pod(body, group) else path


def _embeds_pod(body: Any, group: str) -> bool:
    # The group of a custom resource always has a dot; a built-in kind that is not in the table is no workload.
    if "." not in group or group in _NOT_PODS:
        return False
    for key in (*_TEMPLATE, "spec", "containers"):
        body = body.get(key) if isinstance(body, Mapping) else None
    return isinstance(body, list)


def _template(body: Mapping[str, Any], path: Path, label: str) -> Mapping[str, Any]:
    """The mapping at `path`, after a look at the parts that make it a pod."""
    template = body
    for depth in range(len(path)):
        template = _required(template, path[: depth + 1], label)
    _mapping(template, (*path, "metadata"), label)
    containers = _required(template, (*path, "spec"), label).get("containers")
    if not isinstance(containers, list):
        raise _wrong((*path, "spec", "containers"), containers, "a list", label)
    return template


def _required(parent: Mapping[str, Any], path: Path, label: str) -> Mapping[str, Any]:
    value = _mapping(parent, path, label)
    if value is None:
        raise _wrong(path, value, "a mapping", label)
    return value


def _mapping(parent: Mapping[str, Any], path: Path, label: str) -> Mapping[str, Any] | None:
    value = parent.get(path[-1])
    if value is not None and not isinstance(value, Mapping):
        raise _wrong(path, value, "a mapping", label)
    return value


def _wrong(path: Path, value: object, expected: str, label: str) -> ConfigError:
    field = ".".join(path)
    what = f"{field} is {_WORDS.get(type(value), type(value).__name__)}, and must be {expected}"
    return ConfigError(Problem(reasons.FIELD_WRONG, what, f"{label}, field {field}", f"make {field} {expected}"))


def _label(body: Mapping[str, Any]) -> str:
    metadata, kind = body.get("metadata"), _text(body.get("kind"))
    names = metadata if isinstance(metadata, Mapping) else {}
    name = _text(names.get("name")) or _text(names.get("generateName")) + "*"
    return name if kind == "Pod" else f"{kind}/{name}"


def _controller(metadata: Mapping[str, Any]) -> str:
    """Kubernetes allows one controlling owner, https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/."""
    owners = metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else []:
        if isinstance(owner, Mapping) and owner.get("controller") is True:
            return f"{_text(owner.get('kind'))}/{_text(owner.get('name'))}"
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
