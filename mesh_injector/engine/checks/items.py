"""What the members of one item must be to each other: a toleration, a variable, a mount, a profile, a requirement.

Items come whole, never merged with the pod's, so they are judged when the overlay is made. Findings are relative to the item.
Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from mesh_injector.engine import selector
from mesh_injector.engine.checks import amounts, grammar
from mesh_injector.engine.checks.finding import Finding, at

Members: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Members], Iterator[Finding]]

_SUBSCRIPT: Final = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]\Z", re.DOTALL)
_ENV_PATHS: Final = frozenset(
    {
        *("metadata.name", "metadata.namespace", "metadata.uid", "spec.host", "spec.nodeName", "spec.serviceAccountName"),
        *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
    }
)
_FILE_PATHS: Final = frozenset({f"metadata.{name}" for name in ("annotations", "labels", "name", "namespace", "uid")})
_RESOURCES: Final = frozenset(f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage"))
_DIVISORS: Final = {
    True: ("1m", "1"),
    False: ("1", *(f"1{letter}" for letter in "kMGTPE"), *(f"1{letter}i" for letter in "KMGTPE")),
}
"""By what a resource may be divided, by whether it is the CPU."""


def _toleration(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/."""
    operator, value = members.get("operator") or "Equal", members.get("value") or ""
    if not members.get("key") and operator != "Exists":
        yield Finding(("operator",), "must be Exists where `key` is empty", "name the key, or write `operator: Exists`")
    if operator == "Exists" and value:
        yield Finding(("value",), "says nothing where the operator is Exists", "remove the value, or write `operator: Equal`")
    if operator in ("Lt", "Gt"):
        yield Finding(("operator",), f"{operator} needs a feature gate that clusters do not have by default", "write Equal or Exists")
    if operator == "Equal" and not selector.is_label_value(value):
        yield Finding(("value",), f"`{value:.80}` {grammar.LABEL_VALUE.what}", grammar.LABEL_VALUE.fix)
    if "tolerationSeconds" in members and members.get("effect") != "NoExecute":
        yield Finding(("tolerationSeconds",), "is only for the effect NoExecute", "write `effect: NoExecute`, or remove the seconds")


def _variable(members: Members) -> Iterator[Finding]:
    if members.get("value") and members.get("valueFrom"):
        yield Finding((), "has both `value` and `valueFrom`", "keep one")


def _mount(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts."""
    if members.get("recursiveReadOnly") in ("Enabled", "IfPossible"):
        if not members.get("readOnly"):
            yield Finding(("recursiveReadOnly",), "is only for a mount with `readOnly: true`", "write `readOnly: true`")
        if members.get("mountPropagation", "None") != "None":
            yield Finding(("recursiveReadOnly",), "does not go with `mountPropagation`", "remove one")


def _profile(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/tutorials/security/seccomp/ and /apparmor/; the two profiles have the same rule."""
    if members.get("type") == "Localhost" and "localhostProfile" not in members:
        yield Finding((), "needs a `localhostProfile` where the type is Localhost", "name the profile")
    elif members.get("type") != "Localhost" and "localhostProfile" in members:
        yield Finding(("localhostProfile",), "is only for the type Localhost", "write `type: Localhost`, or remove it")


def _references(paths: frozenset[str], *, in_volume: bool) -> Rule:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/."""

    def find(members: Members) -> Iterator[Finding]:
        field = (members.get("fieldRef") or {}).get("fieldPath")
        if field is not None and field not in paths and not _is_subscript(field):
            fix = f"use {', '.join(sorted(paths))}, or `metadata.labels['…']` or `metadata.annotations['…']`"
            yield Finding(("fieldRef", "fieldPath"), f"`{field:.80}` is no field that can be read here", fix)
        reference = members.get("resourceFieldRef")
        if reference is not None:
            yield from _resource(reference, in_volume=in_volume)

    return find


def _is_subscript(field: str) -> bool:
    match = _SUBSCRIPT.match(field)
    return match is not None and (grammar.is_qualified if match[1].endswith("annotations") else selector.is_label_key)(match[2])


def _resource(reference: Members, *, in_volume: bool) -> Iterator[Finding]:
    resource = reference.get("resource") or ""
    if in_volume and not reference.get("containerName"):
        yield Finding(("resourceFieldRef",), "needs a `containerName` in a volume", "name the container")
    elif resource not in _RESOURCES and not resource.startswith(("requests.hugepages-", "limits.hugepages-")):
        what = f"`{resource:.80}` is no resource of a container"
        yield Finding(("resourceFieldRef", "resource"), what, f"use {', '.join(sorted(_RESOURCES))}")
    divisors = _DIVISORS[resource.endswith(".cpu")]
    if amounts.number(reference.get("divisor", 0)) not in (0, *map(amounts.number, divisors)):
        yield Finding(("resourceFieldRef", "divisor"), f"`{reference['divisor']}` is no divisor", f"use {', '.join(divisors)}")


def _requirement(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#set-based-requirement."""
    operator, values = members.get("operator"), members.get("values") or []
    if operator in ("In", "NotIn") and not values:
        yield Finding(("values",), f"{operator} needs values", "write one or more")
    elif operator in ("Exists", "DoesNotExist") and values:
        yield Finding(("values",), f"{operator} takes no values", "remove them")
    elif operator in ("Gt", "Lt") and len(values) != 1:
        yield Finding(("values",), f"{operator} takes exactly one value", "write one")
    elif not operator:
        yield Finding(("operator",), "is empty", "write In, NotIn, Exists or DoesNotExist")


def _term(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity; of fields only the name."""
    for index, field in enumerate(members.get("matchFields") or ()):
        if field["key"] != "metadata.name" or field["operator"] not in ("In", "NotIn") or len(field.get("values") or ()) != 1:
            yield Finding(("matchFields", index), "is not what can be matched", "write metadata.name, In or NotIn, and one value")


def _required_terms(members: Members) -> Iterator[Finding]:
    for place, term in enumerate(members.get("nodeSelectorTerms") or ()):
        for index, requirement in enumerate(term.get("matchExpressions") or ()):
            for value in requirement.get("values") or ():
                if not selector.is_label_value(value):
                    at = ("nodeSelectorTerms", place, "matchExpressions", index, "values")
                    yield Finding(at, f"`{value:.80}` {grammar.LABEL_VALUE.what}", grammar.LABEL_VALUE.fix)


def _label_keys(members: Members) -> Iterator[Finding]:
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = members.get(name) or ()
        if keys and "labelSelector" not in members:
            yield Finding((name,), "needs a `labelSelector`", "write one")
        for key in keys:
            if not selector.is_label_key(key):
                yield Finding((name,), f"`{key:.80}` {grammar.LABEL_KEY.what}", grammar.LABEL_KEY.fix)


def _selector(members: Members) -> Iterator[Finding]:
    for key, value in (members.get("matchLabels") or {}).items():
        for text, rule in ((key, grammar.LABEL_KEY), (value, grammar.LABEL_VALUE)):
            if not rule.holds(text):
                yield Finding(("matchLabels", key), f"`{text:.80}` {rule.what}", rule.fix)


def _spec(members: Members) -> Iterator[Finding]:
    for key, value in (members.get("nodeSelector") or {}).items():
        for text, rule in ((key, grammar.LABEL_KEY), (value, grammar.LABEL_VALUE)):
            if not rule.holds(text):
                yield Finding(("nodeSelector", key), f"`{text:.80}` {rule.what}", rule.fix)
    account = members.get("serviceAccount") or ""
    if account and "serviceAccountName" not in members and not grammar.SUBDOMAIN.holds(account):
        yield Finding(("serviceAccount",), f"`{account:.80}` {grammar.SUBDOMAIN.what}", grammar.SUBDOMAIN.fix)
    yield from amounts.names({"overhead": members.get("overhead")})
    yield from at(("resources",), amounts.names_of_pod(members.get("resources") or {}))


def _twice(field: str, key: str) -> Rule:
    """A list that the API server takes whole and in which a key may stand once."""

    def find(members: Members) -> Iterator[Finding]:
        seen: set[Any] = set()
        for index, item in enumerate(members.get(field) or ()):
            if item[key] in seen:
                yield Finding((field, index, key), f"`{item[key]:.80}` stands twice", "remove one")
            seen.add(item[key])

    return find


def _spread(members: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/."""
    if not members.get("whenUnsatisfiable"):
        yield Finding(("whenUnsatisfiable",), "is empty", "write DoNotSchedule or ScheduleAnyway")
    elif "minDomains" in members and members["whenUnsatisfiable"] != "DoNotSchedule":
        yield Finding(("minDomains",), "is only for `whenUnsatisfiable: DoNotSchedule`", "write that, or remove it")
    yield from _label_keys(members)


def _empty_dir(members: Members) -> Iterator[Finding]:
    if "sizeLimit" in members and amounts.number(members["sizeLimit"]) < 0:
        yield Finding(("sizeLimit",), f"`{members['sizeLimit']}` is negative", "write 0 or more")


def _resize(members: Members) -> Iterator[Finding]:
    if members.get("resourceName") not in ("cpu", "memory"):
        yield Finding(("resourceName",), f"`{members.get('resourceName'):.80}` cannot be resized", "use cpu or memory")


def _exit_rule(members: Members) -> Iterator[Finding]:
    if "exitCodes" not in members:
        yield Finding((), "needs `exitCodes`", "write them")


RULES: Final[dict[str, Rule]] = {
    "Toleration": _toleration,
    "EnvVar": _variable,
    "EnvVarSource": _references(_ENV_PATHS, in_volume=False),
    "DownwardAPIVolumeFile": _references(_FILE_PATHS, in_volume=True),
    "VolumeMount": _mount,
    "SeccompProfile": _profile,
    "AppArmorProfile": _profile,
    "NodeSelectorRequirement": _requirement,
    "NodeSelectorTerm": _term,
    "NodeSelector": _required_terms,
    "PodAffinityTerm": _label_keys,
    "LabelSelectorRequirement": _requirement,
    "LabelSelector": _selector,
    "PodSpec": _spec,
    "PodSecurityContext": _twice("sysctls", "name"),
    "Container": _twice("resizePolicy", "resourceName"),
    "TopologySpreadConstraint": _spread,
    "EmptyDirVolumeSource": _empty_dir,
    "ResourceRequirements": amounts.names,
    "ContainerResizePolicy": _resize,
    "ContainerRestartRule": _exit_rule,
}
"""The rule of each definition whose members depend on each other."""
