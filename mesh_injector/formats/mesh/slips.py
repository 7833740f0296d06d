"""What Kubernetes takes in a container and no node can run: an image that names none, a probe of a port that the container has not.

The API server stores both without a word; the pod then waits for ever, or is restarted without end.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from mesh_injector import reasons
from mesh_injector.engine.checks import Finding
from mesh_injector.engine.template import Rendered
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh import lacks, sketch
from mesh_injector.formats.mesh.sketch import Path

IsFree = Callable[[Path], bool]
"""Whether a path of a rendering leads to what only stands in for a value."""

_LONGEST: Final = 512
"""Characters: a repository has at most 255, a tag 128, and no digest that registries know more than 136."""
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PART: Final = r"[a-z0-9]+(?:(?:__|[._]|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?:(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
"""Source: https://github.com/distribution/reference/blob/v0.6.0/regexp.go, by which container runtimes read images."""
_HANDLERS: Final[tuple[Path, ...]] = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)


def of(rendered: Rendered, is_free: IsFree) -> Iterator[Problem]:
    """Iterate over the slips in the containers of a rendering; what stands in for a value is left out."""
    for path, container in lacks.containers(rendered.body.get("spec")):
        if "image" not in container:
            continue  # it is merged into one of the pod's, of which nothing is known
        for code, finding in (*_image(path, container["image"]), *_ports(path, container, is_free)):
            if not is_free(finding.path):
                yield replace(sketch.located(rendered, finding), code=code)


def is_reference(image: str) -> bool:
    """Whether a text is the reference of an image; padded and empty ones are told as errors already."""
    return image != image.strip() or not image or (len(image) <= _LONGEST and _REFERENCE.fullmatch(image) is not None)


def _image(path: Path, image: Any) -> Iterator[tuple[str, Finding]]:
    if isinstance(image, str) and not is_reference(image):
        name = image.partition("@")[0]
        fix = "write `registry/repository:tag`; a digest has the form `@sha256:` and 64 hexadecimal digits"
        if name != name.lower() and is_reference(image.lower()):
            fix = "write the repository in lower case"
        yield reasons.IMAGE_INVALID, Finding((*path, "image"), f"no image can be called {image!r:.80}, so nodes cannot pull it", fix)


def _ports(path: Path, container: Mapping[str, Any], is_free: IsFree) -> Iterator[tuple[str, Finding]]:
    ports = container.get("ports") or []
    if not isinstance(ports, list) or any(is_free((*path, "ports", index, "name")) for index, _ in enumerate(ports)):
        return
    names = [port["name"] for port in ports if isinstance(port, Mapping) and isinstance(port.get("name"), str)]
    for place, port in _named(container):
        if port not in names:
            what = f"the container has no port `{port:.63}`, so this always fails"
            known = ", ".join(f"`{name:.63}`" for name in names)
            fix = f"name one of its ports: {known}" if names else f"give one of its `ports` the name `{port:.63}`, or write a number"
            yield reasons.PORT_UNKNOWN, Finding((*path, *place), what, fix)


def _named(container: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Iterate over the ports that probes and lifecycle handlers call by name, each with its path."""
    for handler in _HANDLERS:
        for action in ("httpGet", "tcpSocket"):
            place: Path = (*handler, action, "port")
            value: Any = container
            for step in place:
                value = value.get(step) if isinstance(value, Mapping) else None
            if isinstance(value, str) and not value.isdecimal():
                yield place, value
