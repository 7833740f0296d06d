"""How much a container or a pod may ask for: the names and numbers of resources, and whether the containers' fit into the pod's.

Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go,
`validatePodResources`, and https://kubernetes.io/docs/tasks/configure-pod-container/assign-pod-level-resources/.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from mesh_injector.engine import defaults, selector
from mesh_injector.engine.checks import grammar, relations
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding

Members: TypeAlias = Mapping[str, Any]
Amounts: TypeAlias = Mapping[str, Decimal]

_CONTAINER_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})


def names(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/."""
    for kind in ("limits", "requests", "overhead"):
        for name, value in (members.get(kind) or {}).items():
            if "/" not in name and name not in _CONTAINER_RESOURCES and not name.startswith("hugepages-"):
                fix = "use cpu, memory, ephemeral-storage, hugepages-…, or a name with a prefix: example.com/gpu"
                yield Finding((kind, name), f"`{name:.80}` is no resource of a container", fix)
            elif not selector.is_label_key(name):
                yield Finding((kind, name), f"`{name:.80}` {grammar.QUALIFIED.what}", grammar.QUALIFIED.fix)
            elif number(value) < 0:
                yield Finding((kind, name), f"`{value}` is negative", "write 0 or more")
            elif "/" in name and "kubernetes.io/" not in name and number(value) % 1:
                yield Finding((kind, name), f"`{value}` is no whole number, which {name:.80} must be", "write a whole number")


def names_of_pod(resources: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/tasks/configure-pod-container/assign-pod-level-resources/."""
    if "claims" in resources:
        yield Finding(("claims",), "are not for a pod as a whole", "write them in a container")
    for kind in ("limits", "requests"):
        for name in resources.get(kind) or ():
            if name not in ("cpu", "memory") and not name.startswith("hugepages-"):
                yield Finding((kind, name), f"`{name:.80}` is no resource of a pod as a whole", "use cpu, memory or hugepages-…")


def number(value: Any) -> Decimal:
    """Read a quantity; what is none counts as 0 here and is told elsewhere."""
    read = defaults.quantity(value)
    return read if isinstance(read, Decimal) else Decimal()


def find(spec: Members) -> Iterator[Finding]:
    """Find a request of the pod above its limit, and what its containers have more of than the pod."""
    resources = spec.get("resources")
    if resources is None:
        return
    if (spec.get("os") or {}).get("name") == "windows":
        yield Finding(("resources",), "are not for a pod of windows", "remove them")
    yield from relations.limits(spec, "containers")
    limits, requests = _amounts(resources.get("limits")), _amounts(resources.get("requests"))
    enough = {**limits, **requests}  # what the pod does not request, its containers may request up to its limit
    for name, total in _total(spec).items():
        if name in enough and total > enough[name]:
            fix = "raise the pod's or lower the containers'"
            yield Finding(("resources",), f"have less {name} than the containers request together", fix)
    yield from _single_limits(spec.get("containers") or (), limits)


def _single_limits(containers: Iterable[Members], limits: Amounts) -> Iterator[Finding]:
    for container in containers:
        for name, limit in _amounts((container.get("resources") or {}).get("limits")).items():
            if name in limits and limit > limits[name]:
                what = f"limit {name} to less than the container `{container['name']:.80}` does"
                yield Finding(("resources",), what, "raise the pod's limit or lower the container's")


def _total(spec: Members) -> Amounts:
    """What the containers of a pod request together.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers; init containers run
    one by one, beside the sidecars that were started before.
    """
    sidecars: Amounts = {}
    most: Amounts = {}
    first, later = (spec.get(kind) or () for kind in CONTAINER_LISTS)
    for container in first:
        if container.get("restartPolicy") == "Always":
            sidecars = _sum(sidecars, _requests(container))
            most = _max(most, sidecars)
        else:
            most = _max(most, _sum(sidecars, _requests(container)))
    for container in later:
        sidecars = _sum(sidecars, _requests(container))
    return _max(most, sidecars)


def _requests(container: Members) -> Amounts:
    resources = container.get("resources") or {}
    return _amounts({**(resources.get("requests") or {}), **defaults.implied_requests(resources)})


def _amounts(written: Members | None) -> Amounts:
    read = {name: defaults.quantity(value) for name, value in (written or {}).items()}
    return {name: amount for name, amount in read.items() if isinstance(amount, Decimal)}


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Decimal()) + other.get(name, Decimal()) for name in one.keys() | other.keys()}


def _max(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal()), other.get(name, Decimal())) for name in one.keys() | other.keys()}
