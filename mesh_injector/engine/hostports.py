"""Two containers on one port of the node: the API server refuses them, whether the port is asked for or comes with the node's network.

Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go, `checkHostPortConflicts` and
`validatePodHostNetworkDeps`. Init containers run one by one, so each is judged by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.engine import pod as pods
from mesh_injector.engine.checks import finding
from mesh_injector.engine.checks.finding import Finding, Path
from mesh_injector.engine.pod import Pod

_NETWORK: Final[Path] = ("spec", "hostNetwork")


@dataclass(frozen=True, slots=True)
class _Port:
    """A port of a container; `path` is its place in the overlay, none where it is the pod's own."""

    kind: str
    owner: str
    number: int
    protocol: str
    host: int
    address: str
    path: Path | None = None

    @property
    def group(self) -> tuple[str, str]:
        """What may not have a port of the node twice: all containers together, each init container alone."""
        return self.kind, self.owner if self.kind == "initContainers" else ""


class HostPorts:
    """The ports of the containers of one overlay, to be asked with every pod that it is placed on."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._network = spec.get("hostNetwork") is True
        self._ports = list(_ours(spec))
        self.always = self._network or any(port.host for port in self._ports)
        """Whether every pod is asked, and not only one in the network of its node."""

    def find(self, pod: Pod) -> Iterator[Finding]:
        """Find ports of the node that two containers would have, and those that the node's network does not allow."""
        if self.always or (self._ports and pod.host_network):
            theirs = list(_theirs(pod))
            known = {(port.group, port.owner, port.number, port.protocol) for port in theirs}
            ours = [port for port in self._ports if (port.group, port.owner, port.number, port.protocol) not in known]
            yield from self._clashes([*theirs, *ours], pod)

    def _clashes(self, ports: list[_Port], pod: Pod) -> Iterator[Finding]:
        network, is_new = self._network or pod.host_network, self._network and not pod.host_network
        taken: dict[tuple[Any, ...], _Port] = {}
        for port in ports:
            host = port.host or (port.number if network else 0)
            owner = taken.setdefault((port.group, host, port.protocol, port.address), port) if host else port
            if owner is not port and (port.path or is_new):
                yield _clash(port, owner, host)
            elif network and port.kind == "containers" and port.host not in (0, port.number) and (port.path or is_new):
                yield _mismatch(port)


def _clash(port: _Port, owner: _Port, host: int) -> Finding:
    if port.path:
        what = f"the host port {host}/{port.protocol} is taken by the container `{owner.owner:.80}`"
        return Finding((*port.path, "hostPort"), what, "use another port")
    what = f"would give the host port {host}/{port.protocol} to the containers `{owner.owner:.80}` and `{port.owner:.80}`"
    return Finding(_NETWORK, what, "leave the pod its own network, or exclude such pods")


def _mismatch(port: _Port) -> Finding:
    if port.path:
        what = "differs from the container's port, which `hostNetwork: true` does not allow"
        return Finding((*port.path, "hostPort"), what, "write the same number")
    what = f"does not allow the host port {port.host} for the port {port.number} of the container `{port.owner:.80}`"
    return Finding(_NETWORK, what, "leave the pod its own network, or exclude such pods")


def _ours(spec: Mapping[str, Any]) -> Iterator[_Port]:
    for path, container in finding.containers(spec):
        for index, port in enumerate(container.get("ports") or ()):
            protocol, host, address = port.get("protocol") or "TCP", port.get("hostPort") or 0, port.get("hostIP") or ""
            yield _Port(str(path[1]), container["name"], port["containerPort"], protocol, host, address, (*path, "ports", index))


def _theirs(pod: Pod) -> Iterator[_Port]:
    for kind, containers in (("initContainers", pod.init_containers), ("containers", pod.containers)):
        for container in containers:
            yield from (_their_port(kind, container.name, port) for port in container.ports or ())


def _their_port(kind: str, owner: str, port: pods.Port) -> _Port:
    host = port.host_port if isinstance(port.host_port, int) else 0  # another type is the API server's to refuse
    return _Port(kind, owner, port.container_port, port.protocol or "TCP", host, str(port.host_ip or ""))
