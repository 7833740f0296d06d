"""What Kubernetes does by itself, as data: how a member is merged, which values count as not set, and what is equal.

The merge keys come with the bundled schema, the defaults from pod_defaults.json, which scripts/generate_pod_defaults.py writes from
Kubernetes' own defaulting; what admission plugins fill in is a short table here.
"""

import pkgutil
import re
from collections.abc import Mapping
from decimal import ROUND_UP, Context, Decimal
from enum import Enum
from typing import Any, Final

import msgspec

from mesh_injector.engine import address, schema


class Merge(Enum):
    """How a member that both pod and template have is merged."""

    UNIT = "one value: the pod's is kept"
    FIELDS = "field by field"
    KEYED = "item by item, by key"
    WHOLE = "items appended unless there"


UNITS: Final = frozenset(
    {"livenessProbe", "readinessProbe", "startupProbe", "postStart", "preStop", "valueFrom", "seccompProfile", "appArmorProfile"}
)
"""Objects that mean one thing: merged field by field they would be two handlers or two profiles in one."""

_BUNDLED: Final[dict[str, Any]] = msgspec.json.decode(pkgutil.get_data(__name__, "pod_defaults.json") or b"")
FILLED: Final[dict[str, Any]] = _BUNDLED["filled"]
"""What the API server fills in where nothing is said, by field: `containers.livenessProbe.periodSeconds`."""
DROPPED: Final[dict[str, Any]] = _BUNDLED["dropped"]
"""The `false` and 0 that never arrive, because they are left out when a pod is written, by field."""

ADMITTED: Final[dict[str, Any]] = {
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "priority": 0,
    "preemptionPolicy": "PreemptLowerPriority",
}
"""What two admission plugins of the API server, ServiceAccount and Priority, fill in before webhooks are asked:
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/."""

UNKNOWABLE: Final = frozenset({"containers.imagePullPolicy"})
"""Filled-in values that depend on what else is in the pod (here the tag), so that nobody can tell whether they were set."""

NOT_SET: Final[dict[str, Any]] = {name: value for name, value in (DROPPED | FILLED | ADMITTED).items() if name not in UNKNOWABLE}
"""Values that count as not set, by field: of the spec and of its containers. What is deeper is inside a unit or an item, and those are
kept or added whole."""

COMPANIONS: Final[dict[str, tuple[str, ...]]] = {
    "serviceAccountName": ("serviceAccount",),
    "priorityClassName": ("priority", "preemptionPolicy"),
}
"""Fields that Kubernetes computed for the old value of another: the first follows, the others must go when that is set."""


def merge(name: str, node: schema.Node | None) -> Merge:
    """Say how a member of a pod, container or object is merged."""
    if node is None or name in UNITS:
        return Merge.UNIT
    if node.kind in ("object", "map"):
        return Merge.FIELDS
    if node.kind != "list":
        return Merge.UNIT
    if name in address.WHOLE_ITEMS:
        return Merge.WHOLE
    return Merge.KEYED if node.merge_keys else Merge.UNIT


def is_not_set(field: str, value: Any) -> bool:
    """Whether the pod's value of a field counts as not set: Kubernetes' default, or empty."""
    if value is None or value in ("", [], {}):
        return True
    name = field.replace("initContainers.", "containers.")
    return name in NOT_SET and type(value) is type(NOT_SET[name]) and bool(value == NOT_SET[name])


def contains(found: Any, brought: Any, node: schema.Node | None = None, name: str = "") -> bool:
    """Whether everything that is brought is in what was found; `false`, 0, empty text and empty lists may be missing there."""
    if isinstance(brought, Mapping):
        return isinstance(found, Mapping) and all(
            _contains_member(found.get(key), item, node.field(key) if node else None, key) for key, item in brought.items()
        )
    if isinstance(brought, list):
        return isinstance(found, list) and _contains_items(found, brought, node, name)
    if node is not None and node.kind == "quantity":
        return bool(quantity(found) == quantity(brought))
    return type(found) is type(brought) and bool(found == brought)


def _contains_member(found: Any, brought: Any, node: schema.Node | None, name: str) -> bool:
    """The API server drops empty members, but an empty object (`emptyDir: {}`) says something and stays."""
    if found is None:
        return not brought and (not isinstance(brought, Mapping) or (node is not None and node.kind == "map"))
    return contains(found, brought, node, name)


def _contains_items(found: list[Any], brought: list[Any], node: schema.Node | None, name: str) -> bool:
    kind, item_node = merge(name, node), node.item() if node else None
    if kind is Merge.UNIT:
        return len(found) == len(brought) and all(contains(*pair, item_node) for pair in zip(found, brought, strict=True))
    merge_keys = address.keys_of(node, name)
    known: dict[str, Any] = {}
    repeated: set[str] = set()  # the last variable of a name is the one that counts at run time
    for item in found:
        key = address.item_key(item, merge_keys)
        repeated |= {key} if merge_keys and key in known else set()
        known.setdefault(key, item)
    keys = [address.item_key(item, merge_keys) for item in brought]
    return not repeated.intersection(keys) and all(
        key in known and (not merge_keys or contains(known[key], item, item_node)) for key, item in zip(keys, brought, strict=True)
    )


def with_source(volume: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a volume that names no source the one it has in Kubernetes, so that it never equals another source.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume/, SetDefaults_Volume of the API server.
    """
    has_source = any(value is not None for key, value in volume.items() if key != "name")
    return volume if has_source else {**volume, "emptyDir": {}}


_QUANTITY: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][+-]?0*[0-9]{1,4})|([numkMGTPE]?|[KMGTPE]i))\Z", re.ASCII)
_MOST: Final = Decimal(2**63 - 1)
_LEAST: Final = Decimal("1e-9")
_UPWARDS: Final = Context(prec=64, rounding=ROUND_UP)
_SUFFIXES: Final[dict[str, Decimal]] = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"], -3)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], 1)},
}


def quantity(value: Any) -> Any:
    """Read a quantity as a number, so that `0.5` equals `500m`; what is none comes back as it is.

    As for the API server, what is beyond 2**63-1 is that, and what is finer than a billionth is rounded up (away from 0), so that every
    number has at most 28 digits: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
    """
    text = str(Decimal(value)) if type(value) is int else value if isinstance(value, str) else repr(value)  # str(int) has a bound
    match = _QUANTITY.match(text)
    if match is None:
        return value
    number, exponent, suffix = match.groups("")
    exact = _UPWARDS.multiply(Decimal(number + exponent), _SUFFIXES[suffix])
    return max(-_MOST, min(_MOST, exact)).quantize(_LEAST, context=_UPWARDS)


def implied_requests(resources: Any) -> Mapping[str, Any]:
    """The requests of a container that the API server fills in: a limit without a request is one.

    Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#requests-and-limits.
    """
    resources = resources if isinstance(resources, Mapping) else {}
    limits, requests = (found if isinstance(found := resources.get(kind), Mapping) else {} for kind in ("limits", "requests"))
    return {name: limit for name, limit in limits.items() if requests.get(name) is None}
