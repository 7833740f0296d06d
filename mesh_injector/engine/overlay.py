"""The overlay: a partial pod that rules want placed, checked once when it is made, with the place that every field comes from.

It comes from a template or, in the older formats, from documents; either way an error names file and line.
"""

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from mesh_injector.documents import Document
from mesh_injector.engine import address, checks, defaults, policy, schema, site
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.footprint import Footprints
from mesh_injector.engine.memory import Shelf
from mesh_injector.engine.policy import Policies
from mesh_injector.engine.site import Site
from mesh_injector.engine.template import Fault, Rendered
from mesh_injector.engine.union import Union
from mesh_injector.errors import InjectionError

Path = tuple[str | int, ...]

OUTCOMES_ROOM: Final = 24 * 1024
"""Bytes for the outcomes of one overlay: the pods that get the same one are mostly of one Deployment, and alike."""

IGNORED_METADATA: Final = frozenset(
    {
        *("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"),
        *("deletionTimestamp", "deletionGracePeriodSeconds"),
    }
)
"""Parts of `ObjectMeta` that belong to the pod alone: a template may show them, and they count for nothing."""


class Provenance(Protocol):
    """Where an overlay comes from."""

    def error(self, finding: Finding, what: str) -> InjectionError:
        """Make an error of a finding that points at the field in the text that brings it; `what` names the field and what is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class FromTemplate:
    """A rendering of a template."""

    rendered: Rendered

    def error(self, finding: Finding, what: str) -> InjectionError:
        """Point at the field's name in the line that it comes from."""
        word = next((part for part in reversed(finding.path) if isinstance(part, str)), "")
        fault = Fault(finding.reason, what, line=self.rendered.line(finding.path), word=word, fix=finding.fix)
        return self.rendered.template.source.error(fault)


@dataclass(frozen=True, slots=True)
class FromDocuments:
    """Parts of documents: `parts` says which part of the overlay is which part of a document; the longest that fits a field counts.

    An empty path is the whole, so `{(): (document, ("spec",))}` is an overlay from one place. A field that no part brings is named alone.
    """

    parts: Mapping[Path, tuple[Document, Path]]

    def error(self, finding: Finding, what: str) -> InjectionError:
        """Point at the field in its document: file, line, column and excerpt."""
        lengths = (length for length in range(len(finding.path), -1, -1) if finding.path[:length] in self.parts)
        length = next(lengths, None)
        if length is None:
            return InjectionError(finding.reason, what, where=checks.field_name(finding.path), fix=finding.fix)
        document, path = self.parts[finding.path[:length]]
        place = document.locate(path + finding.path[length:], key=True)
        return InjectionError(finding.reason, what, where=str(place), fix=finding.fix, excerpt=document.excerpt(place))


@dataclass(frozen=True)
class Overlay:
    """A checked partial pod; an empty map or list brings nothing and is left out.

    `init_first` puts its init containers before the pod's own; `policies` are those that differ from the native table.
    """

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    provenance: Provenance
    init_first: bool = True
    policies: Policies = policy.NONE
    sites: tuple[Site, Site] = field(default_factory=site.halves, compare=False, repr=False)
    """Of metadata and spec: what one placing has walked, the next walks faster."""
    outcomes: Shelf[Any, Any] = field(default_factory=lambda: Shelf(OUTCOMES_ROOM), compare=False, repr=False)
    """What came out for pods with some footprints, as the pipeline keeps it."""

    @functools.cached_property
    def union(self) -> Union:
        """What is asked of every pod that it is placed on."""
        return Union(self.spec, self.metadata)

    @functools.cached_property
    def footprints(self) -> Footprints:
        """What tells which pods are alike for it."""
        return Footprints(self)

    @property
    def size(self) -> int:
        """The bytes of what it brings, as JSON."""
        return len(msgspec.json.encode((self.metadata, self.spec)))

    def told_by(self, provenance: Provenance) -> "Overlay":
        """Return the same overlay as it comes from elsewhere; what was worked out of it serves both."""
        told = copy.copy(self)
        object.__setattr__(told, "provenance", provenance)
        return told

    def error(self, finding: Finding) -> InjectionError:
        """Make the error of a finding: field, place, how to fix it."""
        return _error(self.provenance, finding)


def make(rendered: Rendered, *, privileged: bool, init_first: bool = True) -> Overlay:
    """Check what a template rendered to and make it an overlay.

    `privileged` allows fields that give a pod more rights than its author had. Raises `InjectionError` (RenderedInvalidPod or
    FieldNotAllowed) with the first finding and the number of the others.
    """
    return _make(rendered.body, FromTemplate(rendered), privileged=privileged, init_first=init_first)


def compose(body: Mapping[str, Any], provenance: FromDocuments, *, init_first: bool = True, policies: Policies = policy.NONE) -> Overlay:
    """Check a partial pod that a format composed of documents and make it an overlay; whoever writes those may give a pod any right.

    Raises `InjectionError` (RenderedInvalidPod) that names the place in the document.
    """
    return _make(body, provenance, privileged=True, init_first=init_first, policies=policies)


def _make(
    body: Mapping[str, Any], provenance: Provenance, *, privileged: bool, init_first: bool, policies: Policies = policy.NONE
) -> Overlay:
    body = dict(body)
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in IGNORED_METADATA}
    findings = checks.of_overlay(body, privileged=privileged)
    if findings:
        raise _error(provenance, findings[0], len(findings) - 1)
    metadata, spec = (prune(body.get(half) or {}, schema.POD.field(half)) for half in ("metadata", "spec"))
    if "serviceAccount" in spec:  # the deprecated name of the same field, which Kubernetes fills in from the other one
        alias = spec.pop("serviceAccount")
        spec.setdefault("serviceAccountName", alias)
    if "volumes" in spec:
        spec["volumes"] = [defaults.with_source(volume) for volume in spec["volumes"]]
    return Overlay(metadata, spec, provenance, init_first, policies)


def _error(provenance: Provenance, finding: Finding, more: int = 0) -> InjectionError:
    what = f"`{checks.field_name(finding.path)}`: {finding.what}" + (f" (and {more} more)" if more else "")
    return provenance.error(finding, what)


def prune(value: Mapping[str, Any], node: schema.Node | None) -> dict[str, Any]:
    """Leave out empty maps and lists that would only create a member; inside an item (`emptyDir: {}`) they mean something and stay."""
    kept = {}
    for name, child in value.items():
        inner = node.field(name) if node else None
        merged = prune(child, inner) if defaults.merge(name, inner) is defaults.Merge.FIELDS else child
        if inner and name in checks.CONTAINER_LISTS:
            merged = [container if "image" in container else prune(container, inner.item()) for container in child]
        if isinstance(merged, list) and defaults.merge(name, inner) is defaults.Merge.WHOLE:
            merged = _distinct(merged)
        if merged not in ({}, []):
            kept[name] = merged
    return kept


def _distinct(items: list[Any]) -> list[Any]:
    """Take an item that stands twice as one: the first."""
    firsts: dict[str, Any] = {}
    for item in items:
        firsts.setdefault(address.item_key(item, ()), item)
    return list(firsts.values())
