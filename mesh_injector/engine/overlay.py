"""The overlay: a partial pod that rules want placed, checked once when it is made, with the template's line of every field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine import checks, defaults, schema
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.template import Rendered
from mesh_injector.errors import InjectionError

Path = tuple[str | int, ...]

IGNORED_METADATA: Final = frozenset(
    {"name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
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
    def is_empty(self) -> bool:
        """Whether there is nothing to place."""
        return not self.metadata and not self.spec

    def error(self, finding: Finding) -> InjectionError:
        """Make the error of a finding: field, template line, how to fix it."""
        source = self.rendered.template.source
        return _error(self.rendered, finding, source.where(self.rendered.line(finding.path)))


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
        where = rendered.template.source.where(rendered.line(findings[0].path))
        raise _error(rendered, findings[0], where, len(findings) - 1)
    metadata, spec = (prune(body.get(half) or {}, schema.POD.field(half)) or {} for half in ("metadata", "spec"))
    return Overlay(metadata, spec, rendered, init_first)


def _error(rendered: Rendered, finding: Finding, where: str, more: int = 0) -> InjectionError:
    what = f"`{checks.field_name(finding.path)}`: {finding.what}" + (f" (and {more} more)" if more else "")
    line = rendered.line(finding.path)
    excerpt = rendered.template.source.excerpt(line)
    return InjectionError(finding.reason, what, where=where, fix=finding.fix, excerpt=excerpt)


def prune(value: Any, node: schema.Node | None) -> Any:
    """Leave out empty maps and lists that would only create a member; inside an item (`emptyDir: {}`) they mean something and stay."""
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for name, child in value.items():
        inner = node.field(name) if node else None
        merged = prune(child, inner) if defaults.merge(name, inner) is defaults.Merge.FIELDS else child
        if inner and name in checks.CONTAINER_LISTS:
            merged = [container if "image" in container else prune(container, inner.item()) for container in child]
        if merged not in ({}, []):
            kept[name] = merged
    return kept
