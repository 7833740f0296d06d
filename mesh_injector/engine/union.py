"""What only pod and overlay together make wrong, found when the overlay is placed: the pod alone and the overlay alone were good."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mesh_injector.engine import checks, defaults
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.pod import Pod


def find(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what only pod and overlay together make wrong: a mount without its volume, two containers on one host port."""
    yield from _mounts(pod, spec)
    yield from _host_ports(pod, spec)
    yield from _limits(pod, spec)


def _limits(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Source: the API server refuses a request above its limit; in a container that we touch either may be the pod's."""
    for path, container in checks.containers(spec):
        brought = container.get("resources") or {}
        theirs = {} if "image" in container or not brought else _resources(pod, str(path[1]), container["name"])
        requests, limits = ({**(brought.get(kind) or {}), **(theirs.get(kind) or {})} for kind in ("requests", "limits"))
        for name, request in requests.items():
            wanted, most = defaults.quantity(request), defaults.quantity(limits.get(name))
            if isinstance(wanted, Decimal) and isinstance(most, Decimal) and wanted > most:
                what = f"requests {name} {request!s:.40} and is limited to {limits[name]!s:.40}"
                yield Finding((*path, "resources"), what, "raise the limit or lower the request")


def _resources(pod: Pod, kind: str, name: str) -> Mapping[str, Any]:
    """Read the resources of the pod's own container."""
    found: Mapping[str, Any] = next((container for container in pod.spec_member(kind) or () if container.get("name") == name), {})
    resources = found.get("resources")
    return {key: value for key, value in resources.items() if isinstance(value, Mapping)} if isinstance(resources, Mapping) else {}


def _mounts(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    mounts = [
        ((*path, "volumeMounts", index), mount["name"])
        for path, container in checks.containers(spec)
        for index, mount in enumerate(container.get("volumeMounts") or ())
    ]
    if not mounts:
        return
    theirs = pod.spec_member("volumes")
    there = [*(spec.get("volumes") or ()), *(theirs if isinstance(theirs, list) else ())]
    volumes = {str(volume.get("name")) for volume in there if isinstance(volume, Mapping)}
    for path, name in mounts:
        if name not in volumes:
            yield Finding(path, f"mounts the volume `{name}`, which neither the template nor the pod has", "add it under `volumes`")


def _host_ports(pod: Pod, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Source: the API server refuses two containers with one hostPort, protocol and hostIP; init containers do not count."""
    ours = [
        ((*path, "ports", index, "hostPort"), container["name"], port)
        for path, container in checks.containers(spec)
        for index, port in enumerate(container.get("ports") or ())
        if path[1] == "containers" and port.get("hostPort")
    ]
    if not ours:
        return
    taken = {
        _host_port(port): (container["name"], _port(port))
        for container in pod.spec_member("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }
    for path, name, port in ours:
        host, owner = _host_port(port), taken.setdefault(_host_port(port), (name, _port(port)))
        if owner != (name, _port(port)):
            yield Finding(path, f"the host port {host[0]}/{host[1]} is taken by the container `{owner[0]}`", "use another port")


def _host_port(port: Mapping[str, Any]) -> tuple[Any, ...]:
    return str(port["hostPort"]), port.get("protocol") or "TCP", str(port.get("hostIP") or "")


def _port(port: Mapping[str, Any]) -> tuple[Any, ...]:
    return port["containerPort"], port.get("protocol") or "TCP"
