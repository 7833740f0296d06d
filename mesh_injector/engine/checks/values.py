"""What one field of a pod may hold: the looks of texts, the bounds of numbers, quantities, and choices of which exactly one is made.

All of it is tables by definition of Kubernetes' schema (`Probe`, `ContainerPort`), gone through by one walk over the partial pod.
Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from mesh_injector.engine import defaults, schema
from mesh_injector.engine.checks import grammar, items
from mesh_injector.engine.checks.finding import Finding, Path, at
from mesh_injector.engine.checks.grammar import Grammar

_MOST: Final = 2**31 - 1
_ID, _MODE, _PORT, _COUNT = (0, _MOST), (0, 0o777), (1, 65535), (0, _MOST)

TEXTS: Final[dict[str, Grammar]] = {
    **dict.fromkeys(
        ("Container.name", "Volume.name", "PodSpec.hostname", "PodSpec.subdomain", "PodResourceClaim.name", "FileKeySelector.volumeName"),
        grammar.DNS_LABEL,
    ),
    **dict.fromkeys(
        (
            *("PodSpec.serviceAccountName", "PodSpec.nodeName", "PodSpec.priorityClassName", "PodSpec.runtimeClassName"),
            *("PodSpec.hostnameOverride", "HostAlias.hostnames", "ConfigMapKeySelector.name", "SecretKeySelector.name"),
        ),
        grammar.SUBDOMAIN,
    ),
    **dict.fromkeys(("ConfigMapEnvSource.name", "SecretEnvSource.name"), grammar.NAME_PREFIX),
    **dict.fromkeys(("ContainerPort.name", "HTTPGetAction.port", "TCPSocketAction.port"), grammar.PORT_NAME),
    **dict.fromkeys(("EnvVar.name", "EnvFromSource.prefix", "FileKeySelector.key"), grammar.ENV_NAME),
    **dict.fromkeys(("ConfigMapKeySelector.key", "SecretKeySelector.key"), grammar.KEY),
    **dict.fromkeys(
        ("NodeSelectorRequirement.key", "LabelSelectorRequirement.key", "PodAffinityTerm.topologyKey", "Toleration.key"),
        grammar.LABEL_KEY,
    ),
    **dict.fromkeys(("PodSchedulingGate.name", "PodReadinessGate.conditionType", "ObjectMeta.finalizers"), grammar.QUALIFIED),
    **dict.fromkeys(("VolumeMount.subPath", "VolumeMount.subPathExpr"), grammar.DESCENDING),
    **dict.fromkeys(("KeyToPath.path", "DownwardAPIVolumeFile.path", "ServiceAccountTokenProjection.path"), grammar.LOCAL),
    **dict.fromkeys(("ClusterTrustBundleProjection.path",), grammar.LOCAL),
    **dict.fromkeys(("HostPathVolumeSource.path", "VolumeDevice.devicePath", "FileKeySelector.path"), grammar.NO_BACKSTEPS),
    **dict.fromkeys(("HostAlias.ip", "PodDNSConfig.nameservers"), grammar.ADDRESS),
    "Container.image": grammar.UNPADDED,
    "HTTPHeader.name": grammar.HEADER,
    "PodAffinityTerm.namespaces": grammar.DNS_LABEL,
    "PodDNSConfig.searches": grammar.SEARCH,
    "Sysctl.name": grammar.SYSCTL,
}
"""How a text must look, by field; of a list each item, of a number or text the text. Empty text is another matter: see below."""

NOT_EMPTY: Final = frozenset(
    {
        *("Container.name", "Container.image", "Volume.name", "EnvVar.name", "VolumeMount.mountPath", "VolumeDevice.devicePath"),
        *("KeyToPath.key", "KeyToPath.path", "DownwardAPIVolumeFile.path", "ServiceAccountTokenProjection.path"),
        *("ConfigMapKeySelector.name", "ConfigMapKeySelector.key", "SecretKeySelector.name", "SecretKeySelector.key"),
        *("ConfigMapEnvSource.name", "SecretEnvSource.name", "ConfigMapVolumeSource.name", "SecretVolumeSource.secretName"),
        *("ConfigMapProjection.name", "SecretProjection.name", "PersistentVolumeClaimVolumeSource.claimName"),
        *("HostPathVolumeSource.path", "NFSVolumeSource.server", "NFSVolumeSource.path", "CSIVolumeSource.driver"),
        *("ClusterTrustBundleProjection.path", "FileKeySelector.key", "FileKeySelector.volumeName", "FileKeySelector.path"),
        *("HTTPHeader.name", "HTTPGetAction.port", "TCPSocketAction.port", "HostAlias.ip", "HostAlias.hostnames"),
        *("NodeSelectorRequirement.key", "LabelSelectorRequirement.key", "PodAffinityTerm.topologyKey"),
        *("TopologySpreadConstraint.topologyKey", "PodSchedulingGate.name", "PodReadinessGate.conditionType", "Sysctl.name"),
        *("PodResourceClaim.name", "PodDNSConfigOption.name", "PodDNSConfig.nameservers", "PodDNSConfig.searches", "PodOS.name"),
        *("OwnerReference.apiVersion", "OwnerReference.kind", "OwnerReference.name", "OwnerReference.uid", "ObjectMeta.finalizers"),
        *("SeccompProfile.type", "AppArmorProfile.type", "PodSpec.runtimeClassName", "PodSpec.hostnameOverride"),
    }
)
"""Texts that may not be empty where they are written."""

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "ConfigMapVolumeSource": ("name",),
    "SecretVolumeSource": ("secretName",),
    "ConfigMapProjection": ("name",),
    "SecretProjection": ("name",),
    "ConfigMapEnvSource": ("name",),
    "SecretEnvSource": ("name",),
    "ConfigMapKeySelector": ("name",),
    "SecretKeySelector": ("name",),
    "PodDNSConfigOption": ("name",),
    "ExecAction": ("command",),
    "EphemeralVolumeSource": ("volumeClaimTemplate",),
}
"""Members without which the API server refuses, though the schema does not say so; an empty list counts as none."""

BOUNDS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(("ContainerPort.containerPort", "HTTPGetAction.port", "TCPSocketAction.port", "GRPCAction.port"), _PORT),
    "ContainerPort.hostPort": (0, 65535),
    **{
        f"Probe.{name}": _COUNT
        for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
    },
    "Probe.terminationGracePeriodSeconds": (1, 2**63 - 1),
    "SleepAction.seconds": (0, 2**63 - 1),
    "PodSpec.activeDeadlineSeconds": (1, _MOST),
    **{f"SecurityContext.{name}": _ID for name in ("runAsUser", "runAsGroup")},
    **{f"PodSecurityContext.{name}": _ID for name in ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups")},
    **{
        f"{name}.defaultMode": _MODE
        for name in ("SecretVolumeSource", "ConfigMapVolumeSource", "DownwardAPIVolumeSource", "ProjectedVolumeSource")
    },
    "KeyToPath.mode": _MODE,
    "DownwardAPIVolumeFile.mode": _MODE,
    "ServiceAccountTokenProjection.expirationSeconds": (600, 2**32),
    "PreferredSchedulingTerm.weight": (1, 100),
    "WeightedPodAffinityTerm.weight": (1, 100),
    "TopologySpreadConstraint.maxSkew": (1, _MOST),
    "TopologySpreadConstraint.minDomains": (1, _MOST),
}
"""The least and the greatest integer of a field; of a list, of each item."""

ONE_OF: Final[dict[str, tuple[str, ...]]] = {
    "Probe": ("exec", "grpc", "httpGet", "tcpSocket"),
    "LifecycleHandler": ("exec", "httpGet", "sleep", "tcpSocket"),
    "EnvVarSource": ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"),
    "EnvFromSource": ("configMapRef", "secretRef"),
    "DownwardAPIVolumeFile": ("fieldRef", "resourceFieldRef"),
    "PodResourceClaim": ("resourceClaimName", "resourceClaimTemplateName"),
    "ClusterTrustBundleProjection": ("name", "signerName"),
}
"""Members of which exactly one is there."""

AT_MOST_ONE: Final[dict[str, tuple[str, ...]]] = {
    "Volume": tuple(name for name in schema.definition("Volume").fields if name != "name"),
    "VolumeProjection": schema.definition("VolumeProjection").fields,
    "VolumeMount": ("subPath", "subPathExpr"),
}
"""Members of which one at most is there; empty text is not."""


def find(value: Any, node: schema.Node | None, path: Path) -> Iterator[Finding]:
    """Find what is wrong with the values of a part, whose structure is right."""
    if node is None:
        return
    if isinstance(value, Mapping):
        if node.kind == "object":
            yield from at(path, _object(value, node))
        for name, item in value.items():
            yield from find(item, node.field(name), (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from find(item, node.item(), (*path, index))
    elif node.kind == "quantity" and not isinstance(defaults.quantity(value), Decimal):
        yield Finding(path, f"`{value!s:.40}` is no quantity", "write a number with a suffix such as m, k, Mi or Gi: `100m`, `128Mi`")


def _object(members: Mapping[str, Any], node: schema.Node) -> Iterator[Finding]:
    for name in REQUIRED.get(node.name, ()):
        if not members.get(name) and members.get(name) != "":
            yield Finding((), f"`{name}` is required", f"write it under `{name}`")
    yield from _choices(members, node.name)
    for name, value in members.items():
        field = f"{node.name}.{name}"
        if field in TEXTS or field in NOT_EMPTY or field in BOUNDS:
            for index, item in enumerate(value) if isinstance(value, list) else (("", value),):
                yield from at((name, index) if index != "" else (name,), _scalar(item, field))
    if node.name in items.RULES:
        yield from items.RULES[node.name](members)


def _choices(members: Mapping[str, Any], definition: str) -> Iterator[Finding]:
    one_of = ONE_OF.get(definition, ())
    made = [name for name in one_of or AT_MOST_ONE.get(definition, ()) if name in members and members[name] != ""]
    if len(made) > 1:
        told = "sources" if definition.startswith(("Volume", "Env")) and definition != "VolumeMount" else "of which one may stand"
        yield Finding((), f"has several {told}: {', '.join(made)}", "keep one")
    elif one_of and not made:
        yield Finding((), f"has none of {', '.join(one_of)}", "write one")


def _scalar(value: Any, field: str) -> Iterator[Finding]:
    if value == "":
        if field in NOT_EMPTY:
            yield Finding((), "is empty", EMPTY_FIXES.get(field, "write it, or leave out what it belongs to"))
    elif isinstance(value, str):
        if field in TEXTS and not TEXTS[field].holds(value):
            length = f" ({len(value)} characters)" if TEXTS[field] is grammar.PORT_NAME else ""
            yield Finding((), f"{_shown(value)}{length} {TEXTS[field].what}", TEXTS[field].fix)
    elif field in BOUNDS and not BOUNDS[field][0] <= value <= BOUNDS[field][1]:
        least, most = BOUNDS[field]
        yield Finding((), f"{value} is {_bound_words(field)}", f"use {least} to {most}" if most < _MOST else f"use {least} or more")


def _shown(value: str) -> str:
    return f"`{value:.80}`" if value.isprintable() else f"`{value!r:.80}`"


def _bound_words(field: str) -> str:
    return "no port number" if BOUNDS[field][1] == _PORT[1] else "no file mode" if BOUNDS[field] == _MODE else "out of bounds"


EMPTY_FIXES: Final = {"Container.image": "name the image, or leave the field out to add to the pod's own container"}
