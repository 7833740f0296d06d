"""One Mesh, compiled: its selectors parsed, its template compiled or the reason why it has none, and the question whom it selects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_injector.engine import selector
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace, Severity
from mesh_injector.engine.selector import Selector
from mesh_injector.engine.template import PatchTemplate
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh.spec import MeshSpec


@dataclass(frozen=True, slots=True)
class Mesh:
    """A Mesh that is ready to be asked. `None` selectors select by the other one alone; `selector_fault` selects nothing at all.

    `fault` is what is wrong with its template or ConfigMap: given to every pod that it selects, by its `onError`.
    `privileged` when both the Mesh and its ConfigMap are at home: its template may give a pod more rights.
    `generation` is that of the document it was made of, 0 where it has none, as in files; `uid` tells it from one that was deleted and
    had its name.
    """

    name: str
    namespace: str
    spec: MeshSpec
    home: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    selector_fault: str = ""
    template: PatchTemplate | None = None
    fault: InjectionError | None = None
    privileged: bool = False
    generation: int = 0
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a pod's label that choose it: its name, and with its namespace where a label's value has room for that."""
        full = f"{self.namespace}.{self.name}"
        return (self.name, full) if selector.is_label_value(full) else (self.name,)

    @property
    def priority(self) -> int:
        """Its rank among several: a tenant cannot outrank the home namespace."""
        return self.spec.priority if self.home else min(self.spec.priority, 0)

    @property
    def severity(self) -> Severity:
        """What an error does to a pod that the mesh selects."""
        if self.spec.mode == "Audit":
            return Severity.AUDIT
        return Severity.IGNORE if self.spec.on_error == "Ignore" else Severity.REFUSE

    @property
    def digest(self) -> str:
        """The digest of its template; empty when it has none that works."""
        return self.template.digest if self.template else ""

    def mismatch(self, pod: Pod, namespace: Namespace) -> str:
        """Say why the mesh does not select a pod; empty when it does."""
        return self.namespace_mismatch(namespace) or self.pod_mismatch(pod.labels)

    def namespace_mismatch(self, namespace: Namespace) -> str:
        """Say why the mesh selects no pod of a namespace; empty when the namespace does not keep it from that."""
        if self.selector_fault:
            return self.selector_fault
        if not self.home and namespace.name != self.namespace:
            return f"lives in namespace {self.namespace} and selects only pods of it"
        missed = self.namespace_selector.mismatch(namespace.labels) if self.namespace_selector is not None else None
        return "" if missed is None else f"namespaceSelector {missed} on namespace {namespace.name}"

    def pod_mismatch(self, labels: Mapping[str, str]) -> str:
        """Say why the mesh does not select a pod with some labels; empty when they do not keep it from that."""
        missed = self.pod_selector.mismatch(labels) if self.pod_selector is not None else None
        return "" if missed is None else f"podSelector {missed}"

    def why_matched(self) -> str:
        """Say by what the mesh selects the pods it selects."""
        selectors = (("podSelector", self.pod_selector), ("namespaceSelector", self.namespace_selector))
        return " and ".join(f"{name} selects {selector}" for name, selector in selectors if selector is not None)

    def for_template(self) -> dict[str, Any]:
        """Show the mesh to a template, as its variable `mesh`."""
        shown = {"name": self.name, "namespace": self.namespace, "labels": dict(self.labels), "annotations": dict(self.annotations)}
        return shown | ({"region": self.spec.region} if self.spec.region else {})
