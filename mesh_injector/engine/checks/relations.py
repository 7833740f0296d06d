"""What the fields of one container must be to each other; fields that pod and template may bring in halves.

A container that the template brings whole is judged when the overlay is made; one that it adds to when it is placed, as the two will be
together. Findings are relative to the container.
Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from mesh_injector.engine import defaults
from mesh_injector.engine.checks.finding import Finding

Members: TypeAlias = Mapping[str, Any]
ContainerRule: TypeAlias = Callable[[Members, str], Iterator[Finding]]

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")


def _only_sidecars(container: Members, kind: str) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/."""
    if kind == "initContainers" and container.get("restartPolicy") != "Always":
        for name in ("lifecycle", *_PROBES):
            if container.get(name) is not None and container[name].keys() != {"stopSignal"}:  # which is dropped where it is not known
                yield Finding((name,), "is not for an init container that ends", "write `restartPolicy: Always`, or remove it")


def _thresholds(container: Members, _: str) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes."""
    for name in ("livenessProbe", "startupProbe"):
        if (container.get(name) or {}).get("successThreshold", 1) not in (0, 1):
            yield Finding((name, "successThreshold"), "must be 1 for this probe", "remove it")
    if "terminationGracePeriodSeconds" in (container.get("readinessProbe") or {}):
        yield Finding(("readinessProbe", "terminationGracePeriodSeconds"), "is not for a readiness probe", "remove it")


def _port_names(container: Members, _: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, port in enumerate(container.get("ports") or ()):
        name = port.get("name")
        if name and name in seen:
            yield Finding(("ports", index, "name"), f"the port name `{name:.80}` stands twice in one container", "rename one")
        seen.add(name)


def _privileges(container: Members, _: str) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/."""
    context = container.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is False:
        fix = "remove `allowPrivilegeEscalation: false`, or the other"
        if context.get("privileged"):
            yield Finding(("securityContext",), "`privileged: true` contradicts `allowPrivilegeEscalation: false`", fix)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            yield Finding(("securityContext",), "the capability CAP_SYS_ADMIN contradicts `allowPrivilegeEscalation: false`", fix)


def _propagation(container: Members, _: str) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation."""
    if (container.get("securityContext") or {}).get("privileged"):
        return
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("mountPropagation") == "Bidirectional":
            at = ("volumeMounts", index, "mountPropagation")
            yield Finding(at, "Bidirectional is only for privileged containers", "use HostToContainer, or None")


def _devices(container: Members, _: str) -> Iterator[Finding]:
    devices = container.get("volumeDevices") or ()
    mounts = container.get("volumeMounts") or ()
    names, paths = {mount.get("name") for mount in mounts}, {mount.get("mountPath") for mount in mounts}
    for index, device in enumerate(devices):
        if device.get("name") in names or device.get("devicePath") in paths:
            yield Finding(("volumeDevices", index), "is a volume or path that is mounted too", "keep one of the two")


def limits(container: Members, _: str) -> Iterator[Finding]:
    """Source: the API server refuses a request above its limit, and for what cannot be overcommitted any other than its limit."""
    resources = container.get("resources") or {}
    upper = resources.get("limits") or {}
    for name, request in (resources.get("requests") or {}).items():
        wanted, most = defaults.quantity(request), defaults.quantity(upper.get(name))
        if isinstance(wanted, Decimal) and isinstance(most, Decimal) and wanted > most:
            what = f"requests {name} {request!s:.40} and is limited to {upper[name]!s:.40}"
            yield Finding(("resources",), what, "raise the limit or lower the request")
        elif _is_whole(name) and wanted != most:
            yield Finding(("resources",), f"requests {name} {request!s:.40} without a limit that is equal", "write both, equal")


def _is_whole(name: str) -> bool:
    """Whether a resource cannot be overcommitted: huge pages, and what is not Kubernetes' own."""
    return name.startswith("hugepages-") or ("/" in name and "kubernetes.io/" not in name)


def _restart_rules(container: Members, _: str) -> Iterator[Finding]:
    rules = container.get("restartPolicyRules") or ()
    if rules and not container.get("restartPolicy"):
        yield Finding(("restartPolicyRules",), "needs a `restartPolicy`", "write one")
    if len(rules) > 20:
        yield Finding(("restartPolicyRules",), f"has {len(rules)} rules, of 20 allowed", "write fewer")


def _resizing(container: Members, kind: str) -> Iterator[Finding]:
    if kind == "initContainers" and container.get("restartPolicy") != "Always":
        for index, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                at = ("resizePolicy", index, "restartPolicy")
                yield Finding(at, "RestartContainer is not for an init container that ends", "write NotRequired")


CONTAINER_RULES: Final[tuple[tuple[frozenset[str], ContainerRule], ...]] = (
    (frozenset({"restartPolicy", "lifecycle", *_PROBES}), _only_sidecars),
    (frozenset(_PROBES), _thresholds),
    (frozenset({"ports"}), _port_names),
    (frozenset({"securityContext"}), _privileges),
    (frozenset({"securityContext", "volumeMounts"}), _propagation),
    (frozenset({"volumeDevices", "volumeMounts"}), _devices),
    (frozenset({"resources"}), limits),
    (frozenset({"restartPolicy", "restartPolicyRules"}), _restart_rules),
    (frozenset({"restartPolicy", "resizePolicy"}), _resizing),
)
"""The rules of one container, each with the fields that it reads."""


def reading(fields: Iterable[str]) -> tuple[ContainerRule, ...]:
    """Choose the rules that read one of some fields of a container."""
    touched = frozenset(fields)
    return tuple(rule for read, rule in CONTAINER_RULES if not read.isdisjoint(touched))


def of_container(container: Members, kind: str) -> Iterator[Finding]:
    """Find what is wrong between the fields of a container of `kind`."""
    for rule in reading(container):
        yield from rule(container, kind)
