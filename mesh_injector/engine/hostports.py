"""Two containers on one port of the node: the API server refuses them, whether the port is asked for or comes with the node's network.

Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go, `checkHostPortConflicts` and
`validatePodHostNetworkDeps`. Init containers run one by one and do not count.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mesh_injector.engine.checks.finding import Finding
from mesh_injector.engine.pod import Pod


def find(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Find ports of the node that our containers ask for and another container has."""
    network = spec.get("hostNetwork") is True
    ours = [
        (("spec", "containers", place, "ports", index, "hostPort"), container["name"], port)
        for place, container in enumerate(spec.get("containers") or ())
        for index, port in enumerate(container.get("ports") or ())
        if port.get("hostPort") or network
    ]
    if not ours:
        return
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
