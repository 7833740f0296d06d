"""What one field of a pod may hold, as tables by definition of Kubernetes' schema and field: `Probe.periodSeconds`.

Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go.
"""

from typing import Final

from mesh_injector.engine import schema
from mesh_injector.engine.checks import grammar
from mesh_injector.engine.checks.grammar import Grammar

MOST: Final = 2**31 - 1
"""The greatest number of 32 bits; a field that goes further has no bound worth naming."""
ID, MODE, PORT, COUNT = (0, MOST), (0, 0o777), (1, 65535), (0, MOST)

TEXTS: Final[dict[str, Grammar]] = {
    **dict.fromkeys(
        (
            *("Container.name", "Volume.name", "PodSpec.hostname", "PodSpec.subdomain", "PodResourceClaim.name"),
            *("FileKeySelector.volumeName", "PodAffinityTerm.namespaces", "ResourceClaim.request"),
        ),
        grammar.DNS_LABEL,
    ),
    **dict.fromkeys(
        (
            *("PodSpec.serviceAccountName", "PodSpec.nodeName", "PodSpec.priorityClassName", "PodSpec.runtimeClassName"),
            *("PodSpec.hostnameOverride", "HostAlias.hostnames", "ConfigMapKeySelector.name", "SecretKeySelector.name"),
            *("PodResourceClaim.resourceClaimName", "PodResourceClaim.resourceClaimTemplateName"),
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
    **dict.fromkeys(("PodSchedulingGate.name", "PodReadinessGate.conditionType"), grammar.QUALIFIED),
    **dict.fromkeys(("VolumeMount.subPath", "VolumeMount.subPathExpr", "SeccompProfile.localhostProfile"), grammar.DESCENDING),
    **dict.fromkeys(("KeyToPath.path", "DownwardAPIVolumeFile.path", "ServiceAccountTokenProjection.path"), grammar.LOCAL),
    **dict.fromkeys(("ClusterTrustBundleProjection.path",), grammar.LOCAL),
    **dict.fromkeys(("HostPathVolumeSource.path", "VolumeDevice.devicePath", "FileKeySelector.path"), grammar.NO_BACKSTEPS),
    **dict.fromkeys(("HostAlias.ip", "PodDNSConfig.nameservers"), grammar.ADDRESS),
    "Container.image": grammar.UNPADDED,
    "HTTPHeader.name": grammar.HEADER,
    "ObjectMeta.finalizers": grammar.FINALIZER,
    "CSIVolumeSource.driver": grammar.CSI_DRIVER,
    "LabelSelectorRequirement.values": grammar.LABEL_VALUE,
    "AppArmorProfile.localhostProfile": grammar.UNPADDED,
    "NFSVolumeSource.path": grammar.ABSOLUTE,
    "ObjectFieldSelector.apiVersion": grammar.V1,
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
        "AppArmorProfile.localhostProfile",
        *("Container.restartPolicy", "ContainerResizePolicy.restartPolicy", "SecurityContext.procMount"),
        *("VolumeMount.recursiveReadOnly", "VolumeMount.mountPropagation"),
        *("PodSecurityContext.fsGroupChangePolicy", "PodSecurityContext.seLinuxChangePolicy", "ImageVolumeSource.reference"),
        *("PodSecurityContext.supplementalGroupsPolicy", "TopologySpreadConstraint.nodeAffinityPolicy"),
        *("TopologySpreadConstraint.nodeTaintsPolicy", "PodSpec.preemptionPolicy", "PodAffinityTerm.namespaces"),
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
    "ImageVolumeSource": ("reference",),
    "NodeSelector": ("nodeSelectorTerms",),
    "PersistentVolumeClaimSpec": ("accessModes", "resources"),
}
"""Members without which the API server refuses, though the schema does not say so; an empty list counts as none."""

BOUNDS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(("ContainerPort.containerPort", "HTTPGetAction.port", "TCPSocketAction.port", "GRPCAction.port"), PORT),
    "ContainerPort.hostPort": (0, 65535),
    **{
        f"Probe.{name}": COUNT
        for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
    },
    "Probe.terminationGracePeriodSeconds": (1, 2**63 - 1),
    "SleepAction.seconds": (0, 2**63 - 1),
    "PodSpec.activeDeadlineSeconds": (1, MOST),
    **{f"SecurityContext.{name}": ID for name in ("runAsUser", "runAsGroup")},
    **{f"PodSecurityContext.{name}": ID for name in ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups")},
    **{
        f"{name}.defaultMode": MODE
        for name in ("SecretVolumeSource", "ConfigMapVolumeSource", "DownwardAPIVolumeSource", "ProjectedVolumeSource")
    },
    "KeyToPath.mode": MODE,
    "DownwardAPIVolumeFile.mode": MODE,
    "ServiceAccountTokenProjection.expirationSeconds": (600, 2**32),
    "PreferredSchedulingTerm.weight": (1, 100),
    "WeightedPodAffinityTerm.weight": (1, 100),
    "TopologySpreadConstraint.maxSkew": (1, MOST),
    "TopologySpreadConstraint.minDomains": (1, MOST),
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

CHOICES: Final = {
    "Probe": "handlers",
    "LifecycleHandler": "handlers",
    "PodResourceClaim": "claims",
    "VolumeMount": "of which one may stand",
}
"""What is chosen, where it is no source."""
EMPTY_FIXES: Final = {"Container.image": "name the image, or leave the field out to add to the pod's own container"}
"""How to mend an empty text, where there is more to say."""
