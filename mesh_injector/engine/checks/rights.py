"""Fields that give a pod more than its author had, judged by value: only for home meshes whose ConfigMap is at home too.

Beside names and classes that carry rights of their own, the list is what Kubernetes' Pod Security Standards call more than baseline:
https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline. What it leaves out, docs/reference.md says and why.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from mesh_injector.engine import schema
from mesh_injector.engine.checks import metadata
from mesh_injector.engine.checks.finding import Finding, Path
from mesh_injector.reasons import Reason

Grants: TypeAlias = Callable[[Any], bool]

_SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SAFE_SYSCTLS: Final = frozenset(
    {
        *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies"),
        *("net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout"),
        *("net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    }
)

FIELDS: Final[dict[str, Grants]] = {
    **dict.fromkeys(("PodSpec.hostNetwork", "PodSpec.hostPID", "PodSpec.hostIPC", "PodSpec.shareProcessNamespace"), bool),
    **dict.fromkeys(("PodSpec.nodeName", "PodSpec.serviceAccountName", "PodSpec.serviceAccount"), bool),
    **dict.fromkeys(("PodSpec.priorityClassName", "PodSpec.priority", "PodSpec.runtimeClassName"), bool),
    **dict.fromkeys(("ObjectMeta.ownerReferences", "ObjectMeta.finalizers"), bool),
    "SecurityContext.privileged": bool,
    "SecurityContext.procMount": lambda value: value not in ("", "Default"),
    "Capabilities.add": bool,
    **dict.fromkeys(("SeccompProfile.type", "AppArmorProfile.type"), lambda value: value == "Unconfined"),
    **dict.fromkeys(("SELinuxOptions.user", "SELinuxOptions.role"), bool),
    "SELinuxOptions.type": lambda value: value not in _SELINUX_TYPES,
    **dict.fromkeys(("WindowsSecurityContextOptions.hostProcess", "WindowsSecurityContextOptions.gmsaCredentialSpec"), bool),
    "WindowsSecurityContextOptions.gmsaCredentialSpecName": bool,
    "Sysctl.name": lambda value: value.replace("/", ".") not in _SAFE_SYSCTLS,
    "Volume.hostPath": lambda _: True,
    "VolumeMount.mountPropagation": lambda value: value == "Bidirectional",
    "ContainerPort.hostPort": bool,
    **dict.fromkeys(("HTTPGetAction.host", "TCPSocketAction.host"), bool),
}
"""The values of each field that give a pod more rights."""

ANNOTATIONS: Final[tuple[tuple[str, Grants], ...]] = (
    *((prefix, lambda value: value == "unconfined") for prefix in (metadata.APPARMOR, *metadata.SECCOMP)),
    ("kubernetes.io/config.mirror", lambda _: True),
)
"""The same of annotations, by what their key begins with."""


def find(body: Mapping[str, Any]) -> Iterator[Finding]:
    """Find the fields of a partial pod that a tenant's template may not bring."""
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    found = [
        ("metadata", "annotations", key)
        for key, value in annotations.items()
        if any(key.startswith(prefix) and grants(value) for prefix, grants in ANNOTATIONS)
    ]
    what = "gives the pod more rights, which only a mesh and ConfigMap of the home namespace may"
    fix = "move Mesh and ConfigMap to the injector's own namespace, or remove the field"
    for path in (*found, *_walk(body, schema.POD, ())):
        yield Finding(path, what, fix, Reason.FIELD_NOT_ALLOWED)


def _walk(value: Any, node: schema.Node | None, path: Path) -> Iterator[Path]:
    if node is None:
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            if f"{node.name}.{name}" in FIELDS and FIELDS[f"{node.name}.{name}"](item):
                yield (*path, name)
            else:
                yield from _walk(item, node.field(name), (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, node.item(), (*path, index))
