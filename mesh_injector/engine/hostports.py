"""Two containers on one port of the node: the API server refuses them, whether the port is asked for or comes with the node's network.

Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go, `checkHostPortConflicts` and
`validatePodHostNetworkDeps`. Init containers run one by one and do not count.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from mesh_injector.engine.checks.finding import Finding, Path
from mesh_injector.engine.pod import Pod

Asked: TypeAlias = tuple[Path, str, Mapping[str, Any]]


def asked(spec: Mapping[str, Any]) -> list[Asked]:
    """List the ports of the node that containers of an overlay ask for: where, the container's name, the port."""
    network = spec.get("hostNetwork") is True
    return [
        (("spec", "containers", place, "ports", index, "hostPort"), container["name"], port)
        for place, container in enumerate(spec.get("containers") or ())
        for index, port in enumerate(container.get("ports") or ())
        if port.get("hostPort") or network
    ]


def find(pod: Pod, spec: Mapping[str, Any], ours: Iterable[Asked]) -> Iterator[Finding]:
    """Find ports of the node that our containers ask for and another container has."""
    network = spec.get("hostNetwork") is True
    taken = {
        _host_port(port): (container["name"], _port(port))
        for container in pod.spec_member("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort") or network
    }
    for path, name, port in ours:
        host, owner = _host_port(port), taken.setdefault(_host_port(port), (name, _port(port)))
        if owner != (name, _port(port)):
            yield Finding(path, f"the host port {host[0]}/{host[1]} is taken by the container `{owner[0]}`", "use another port")
        elif network and host[0] != str(port["containerPort"]):
            yield Finding(path, "differs from the container's port, which `hostNetwork: true` does not allow", "write the same number")


def _host_port(port: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(port.get("hostPort") or port["containerPort"]), port.get("protocol") or "TCP", str(port.get("hostIP") or "")


def _port(port: Mapping[str, Any]) -> tuple[Any, ...]:
    return port["containerPort"], port.get("protocol") or "TCP"
