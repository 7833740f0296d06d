"""The overlay: a partial pod that rules want placed, checked once when it is made, with the template's line of every field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mesh_injector.engine import address, checks, defaults, schema
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.template import Fault, Rendered
from mesh_injector.errors import InjectionError

Path = tuple[str | int, ...]

IGNORED_METADATA: Final = frozenset(
    {
        *("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"),
        *("deletionTimestamp", "deletionGracePeriodSeconds"),
    }
)
"""Parts of `ObjectMeta` that belong to the pod alone: a template may show them, and they count for nothing."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A checked partial pod; an empty map or list brings nothing and is left out.

    `init_first` puts its init containers before the pod's own.
    """

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    rendered: Rendered
    init_first: bool = True

    @property
    def size(self) -> int:
        """The bytes of what it brings, as JSON."""
        return len(msgspec.json.encode((self.metadata, self.spec)))

    def error(self, finding: Finding) -> InjectionError:
        """Make the error of a finding: field, template line, how to fix it."""
        return _error(self.rendered, finding)


def make(rendered: Rendered, *, privileged: bool, init_first: bool = True) -> Overlay:
    """Check what a template rendered to and make it an overlay.

    `privileged` allows fields that give a pod more rights than its author had. Raises `InjectionError` (RenderedInvalidPod or
    FieldNotAllowed) with the first finding and the number of the others.
    """
    body = dict(rendered.body)
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in IGNORED_METADATA}
    findings = checks.of_overlay(body, privileged=privileged)
    if findings:
        raise _error(rendered, findings[0], len(findings) - 1)
    metadata, spec = (prune(body.get(half) or {}, schema.POD.field(half)) for half in ("metadata", "spec"))
    if "serviceAccount" in spec:  # the deprecated name of the same field, which Kubernetes fills in from the other one
        alias = spec.pop("serviceAccount")
        spec.setdefault("serviceAccountName", alias)
    return Overlay(metadata, spec, rendered, init_first)


def _error(rendered: Rendered, finding: Finding, more: int = 0) -> InjectionError:
    """Point at the field's name in the line that it comes from."""
    what = f"`{checks.field_name(finding.path)}`: {finding.what}" + (f" (and {more} more)" if more else "")
    word = next((part for part in reversed(finding.path) if isinstance(part, str)), "")
    return rendered.template.source.error(Fault(finding.reason, what, line=rendered.line(finding.path), word=word, fix=finding.fix))


def prune(value: Mapping[str, Any], node: schema.Node | None) -> dict[str, Any]:
    """Leave out empty maps and lists that would only create a member; inside an item (`emptyDir: {}`) they mean something and stay."""
    kept = {}
    for name, child in value.items():
        inner = node.field(name) if node else None
        merged = prune(child, inner) if defaults.merge(name, inner) is defaults.Merge.FIELDS else child
        if inner and name in checks.CONTAINER_LISTS:
            merged = [container if "image" in container else prune(container, inner.item()) for container in child]
        if isinstance(merged, list) and defaults.merge(name, inner) is defaults.Merge.WHOLE:
            merged = list({address.item_key(item, ()): item for item in merged}.values())  # an item that stands twice is one
        if merged not in ({}, []):
            kept[name] = merged
    return kept
