"""What the spec of a pod must be in itself, and a container to the spec around it; judged when the overlay is placed.

Pod and template may each bring a half of it. Findings are relative to the spec, or to the container.
Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeAlias

from mesh_injector.engine.checks import amounts
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding

Members: TypeAlias = Mapping[str, Any]
SpecRule: TypeAlias = Callable[[Members], Iterator[Finding]]


class Spec(Protocol):
    """The spec around a container, of which only what a rule reads is looked up; a member that is not there is None."""

    def __getitem__(self, name: str) -> Any: ...


AroundRule: TypeAlias = Callable[[Members, Spec], Iterator[Finding]]


def _name_servers(spec: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-dns-config."""
    config = spec.get("dnsConfig") or {}
    servers, searches = config.get("nameservers") or (), config.get("searches") or ()
    if spec.get("dnsPolicy") == "None" and not servers:
        yield Finding(("dnsPolicy",), "None needs `dnsConfig.nameservers`", "name one, or choose another policy")
    if len(servers) > 3:
        yield Finding(("dnsConfig", "nameservers"), f"are {len(servers)}, of 3 allowed", "name fewer")
    if len(searches) > 32 or len(" ".join(searches)) > 2048:
        yield Finding(("dnsConfig", "searches"), "are more than 32 or longer than 2048 characters", "name fewer")


def _process_spaces(spec: Members) -> Iterator[Finding]:
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        yield Finding(("shareProcessNamespace",), "does not go with `hostPID: true`", "keep one")


def _user_spaces(spec: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/."""
    if spec.get("hostUsers") is False:
        for name in ("hostPID", "hostIPC", "hostNetwork"):
            if spec.get(name):
                yield Finding(("hostUsers",), f"`hostUsers: false` does not go with `{name}: true`", "keep one")


def _host_name(spec: Members) -> Iterator[Finding]:
    if spec.get("hostnameOverride") is not None:
        for name in ("setHostnameAsFQDN", "hostNetwork"):
            if spec.get(name):
                yield Finding(("hostnameOverride",), f"does not go with `{name}: true`", "keep one")


def _pod_system(spec: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/#pod-os."""
    system = (spec.get("os") or {}).get("name")
    context = spec.get("securityContext") or {}
    for name in context:
        if (system == "linux" and name == "windowsOptions") or (system == "windows" and name in _LINUX_ONLY_OF_PODS):
            yield Finding(("securityContext", name), f"is not for a pod of {system}", "remove it")
    for name in ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace") if system == "windows" else ():
        if spec.get(name) or (spec.get(name) is False and name in ("hostUsers", "shareProcessNamespace")):
            yield Finding((name,), "is not for a pod of windows", "remove it")


_LINUX_ONLY_OF_PODS: Final = frozenset(
    {
        *("appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser", "runAsGroup"),
        *("supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"),
    }
)


def _gates(spec: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness/."""
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield Finding(("nodeName",), "does not go with `schedulingGates`", "keep one")


def _sysctls(spec: Members) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/; which space each is in, component-helpers says."""
    for index, sysctl in enumerate((spec.get("securityContext") or {}).get("sysctls") or ()):
        name = _plain(sysctl["name"])
        shared = "hostNetwork" if name.startswith("net.") else "hostIPC" if name in _IPC or name.startswith("fs.mqueue.") else ""
        if shared and spec.get(shared):
            at = ("securityContext", "sysctls", index)
            yield Finding(at, f"the sysctl `{sysctl['name']:.80}` does not go with `{shared}: true`", "keep one")


def _plain(sysctl: str) -> str:
    """Write a sysctl with dots, as the API server reads it; the separator that comes first is the one."""
    first = next((letter for letter in sysctl if letter in "./"), ".")
    return sysctl if first == "." else sysctl.translate(_SWAPPED)


_SWAPPED: Final = str.maketrans("./", "/.")
_IPC: Final = frozenset(
    f"kernel.{name}" for name in ("sem", "shm", "shmall", "shmmax", "shmmni", "shm_rmid_forced", "msg", "msgmax", "msgmnb", "msgmni")
)

SPEC_RULES: Final[tuple[tuple[frozenset[str], SpecRule], ...]] = (
    (frozenset({"dnsPolicy", "dnsConfig"}), _name_servers),
    (frozenset({"shareProcessNamespace", "hostPID"}), _process_spaces),
    (frozenset({"hostUsers", "hostPID", "hostIPC", "hostNetwork"}), _user_spaces),
    (frozenset({"hostnameOverride", "setHostnameAsFQDN", "hostNetwork"}), _host_name),
    (frozenset({"nodeName", "schedulingGates"}), _gates),
    (frozenset({"os", "securityContext", "hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"}), _pod_system),
    (frozenset({"securityContext", "hostNetwork", "hostIPC"}), _sysctls),
    (frozenset({"resources", "os", *CONTAINER_LISTS}), amounts.find),
)
"""The rules of the spec, each with the fields that it reads."""


def _sleeps(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/."""
    for name in ("postStart", "preStop"):
        seconds = (((container.get("lifecycle") or {}).get(name) or {}).get("sleep") or {}).get("seconds")
        if seconds:
            grace = spec["terminationGracePeriodSeconds"]
            grace = 30 if grace is None else 1 if grace < 0 else grace
            if seconds > grace:
                what = f"sleeps {seconds} seconds, and the pod has {grace} to end (`terminationGracePeriodSeconds`)"
                yield Finding(("lifecycle", name, "sleep"), what, "sleep no longer than that")


def _processes(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, `procMount`."""
    if (container.get("securityContext") or {}).get("procMount") == "Unmasked" and spec["hostUsers"] is not False:
        yield Finding(("securityContext", "procMount"), "Unmasked needs `hostUsers: false`", "write it, or use Default")


def _claims(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/."""
    for index, claim in enumerate((container.get("resources") or {}).get("claims") or ()):
        if not any(known.get("name") == claim["name"] for known in spec["resourceClaims"] or ()):
            what = f"the claim `{claim['name']:.80}` is not there"
            yield Finding(("resources", "claims", index), what, "add it under `spec.resourceClaims`")


def _files(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: a variable that is read from a file needs an `emptyDir` that holds it; a volume without a source is one."""
    for index, variable in enumerate(container.get("env") or ()):
        reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
        if reference and not any(
            volume.get("name") == reference["volumeName"] and ("emptyDir" in volume or len(volume) == 1) for volume in spec["volumes"] or ()
        ):
            at = ("env", index, "valueFrom", "fileKeyRef")
            yield Finding(at, f"reads from `{reference['volumeName']:.80}`, which is no `emptyDir` of the pod", "add one under `volumes`")


def _blocks(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#raw-block-volume-support."""
    devices = container.get("volumeDevices")
    if not devices:
        return
    if spec["hostUsers"] is False:
        yield Finding(("volumeDevices",), "do not go with `hostUsers: false`", "mount the volume instead")
    claims = {volume.get("name"): {"persistentVolumeClaim", "ephemeral"}.isdisjoint(volume) for volume in spec["volumes"] or ()}
    for index, device in enumerate(devices):
        if claims.get(device.get("name")):
            yield Finding(("volumeDevices", index), "is no claim, which a device must be", "mount the volume instead")


def _resizing(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/#container-resize-policies."""
    for index, policy in enumerate(container.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer" and spec["restartPolicy"] == "Never":
            at = ("resizePolicy", index, "restartPolicy")
            yield Finding(at, "RestartContainer does not go with the pod's `restartPolicy: Never`", "write NotRequired")


def _system(container: Members, spec: Spec) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/#pod-os."""
    context = container.get("securityContext") or {}
    system = (spec["os"] or {}).get("name")
    for name in context:
        if (system == "linux" and name == "windowsOptions") or (system == "windows" and name in _LINUX_ONLY):
            yield Finding(("securityContext", name), f"is not for a pod of {system}", "remove it")


_LINUX_ONLY: Final = frozenset(
    {
        *("appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged"),
        *("allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
    }
)
CONTAINER_RULES: Final[tuple[tuple[frozenset[str], frozenset[str], AroundRule], ...]] = (
    (frozenset({"lifecycle"}), frozenset({"terminationGracePeriodSeconds"}), _sleeps),
    (frozenset({"securityContext"}), frozenset({"hostUsers"}), _processes),
    (frozenset({"securityContext"}), frozenset({"os"}), _system),
    (frozenset({"resources"}), frozenset(), _claims),
    (frozenset({"env"}), frozenset(), _files),
    (frozenset({"volumeDevices"}), frozenset({"hostUsers"}), _blocks),
    (frozenset({"resizePolicy"}), frozenset({"restartPolicy"}), _resizing),
)
"""The rules of a container and the spec around it, each with the fields of the container that it reads, and those of the spec that can be
changed to its harm: a volume or claim more can not."""

READS: Final[Mapping[AroundRule, frozenset[str]]] = {
    _sleeps: frozenset({"terminationGracePeriodSeconds"}),
    _processes: frozenset({"hostUsers"}),
    _system: frozenset({"os"}),
    _claims: frozenset({"resourceClaims"}),
    _resizing: frozenset({"restartPolicy"}),
}
"""The members of the spec that a rule reads; the other rules look into volumes."""


class _Unread:
    """A spec that nobody may read."""

    def __getitem__(self, name: str) -> Any:
        raise LookupError(name)


_UNREAD: Final = _Unread()


def asking(container: Members) -> tuple[AroundRule, ...]:
    """Choose the rules that have to see the spec to judge a container; the others have nothing to say about it, whatever the spec is."""
    return tuple(rule for fields, _, rule in CONTAINER_RULES if not fields.isdisjoint(container) and _asks(rule, container))


def _asks(rule: AroundRule, container: Members) -> bool:
    try:
        return any(True for _ in rule(container, _UNREAD))
    except LookupError:
        return True
