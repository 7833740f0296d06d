"""What a template leaves to the pod: half of something that is refused unless the pod brings the other half.

A template may well mean it; a misspelt name looks the same, and pods that lack the other half are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mesh_injector import reasons
from mesh_injector.engine import checks
from mesh_injector.engine.checks import Finding
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh import sketch
from mesh_injector.formats.mesh.sketch import Path, Sketch


def of(made: Sketch) -> Iterator[Problem]:
    """Iterate over what one branch of a template leaves to the pod; what stands in for a value is left out."""
    spec = made.rendered.body.get("spec")
    if not isinstance(spec, Mapping):
        return
    for finding in (*_volumes(made, spec), *_images(made, spec), *_dns(spec)):
        if not made.is_free(finding.path):
            yield replace(sketch.located(made.rendered, finding), code=reasons.LEFT_TO_THE_POD)


def _volumes(made: Sketch, spec: Mapping[str, Any]) -> Iterator[Finding]:
    volumes = [volume for volume in _list(spec.get("volumes")) if isinstance(volume, Mapping)]
    if any(made.is_free(("spec", "volumes", index, "name")) for index, _ in enumerate(volumes)):
        return
    known = {str(volume.get("name")) for volume in volumes}
    for path, container in containers(spec):
        for field, part in (("volumeMounts", "name"), ("volumeDevices", "name")):
            for index, mount in enumerate(_list(container.get(field))):
                name = mount.get(part) if isinstance(mount, Mapping) else None
                if isinstance(name, str) and name not in known:
                    what = f"no volume `{name:.63}` is in the template: only a pod that has one can be injected"
                    yield Finding((*path, field, index, part), what, f"name one of the template's volumes, or add a volume `{name:.63}`")


def _images(made: Sketch, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for path, container in containers(spec):
        name = container.get("name")
        if isinstance(name, str) and "image" not in container and not made.is_free((*path, "name")):
            what = f"the container `{name:.63}` has no image: only a pod that has a container of this name can be injected"
            yield Finding((*path, "name"), what, "add its `image`, or correct its name")


def _dns(spec: Mapping[str, Any]) -> Iterator[Finding]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None" and not (isinstance(config, Mapping) and config.get("nameservers")):
        what = "`dnsPolicy: None` without `dnsConfig.nameservers`: only a pod that has them can be injected"
        yield Finding(("spec", "dnsPolicy"), what, "add `dnsConfig` with `nameservers`")


def containers(spec: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Iterate over what can be read as containers: a rendering may be wrong in many ways."""
    for kind in checks.CONTAINER_LISTS:
        for index, container in enumerate(_list(spec.get(kind) if isinstance(spec, Mapping) else None)):
            if isinstance(container, Mapping):
                yield ("spec", kind, index), container


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
