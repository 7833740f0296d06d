"""Where in a template a part of an injected pod comes from: the line, the ConfigMap, and the file where there is one."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mesh_injector.engine import address
from mesh_injector.engine.address import Address
from mesh_injector.engine.overlay import FromTemplate, Overlay
from mesh_injector.engine.template import Rendered, Source


class Whence(NamedTuple):
    """A line of a template, from 1."""

    source: Source
    line: int

    def __str__(self) -> str:
        return self.source.where(self.line)

    @property
    def short(self) -> str:
        """The file and line where the template stands in a file, else its line."""
        origin = self.source.origin
        return f"{origin.source}:{origin.line + self.line - 1}" if origin else f"template line {self.line}"


def of(overlays: Iterable[Overlay], name: Address) -> Whence | None:
    """Find the line that brings what an address names, or what stands around it; None where no template does."""
    for overlay in overlays:
        if isinstance(overlay.provenance, FromTemplate):
            rendered = overlay.provenance.rendered
            for length in range(len(name), 0, -1):
                place = address.find(rendered.body, name[:length])
                if place is not None:
                    return _line(rendered, place.pointer)
    return None


def _line(rendered: Rendered, pointer: str) -> Whence | None:
    line = rendered.line(_path(rendered.body, pointer))
    return Whence(rendered.template.source, line) if line else None


def _path(body: Mapping[str, Any], pointer: str) -> tuple[str | int, ...]:
    """Read a JSON Pointer as the path that it is in a body: an index of a list is a number."""
    path: list[str | int] = []
    value: Any = body
    for part in pointer.split("/")[1:]:
        step: str | int = int(part) if isinstance(value, list) else part.replace("~1", "/").replace("~0", "~")
        path.append(step)
        value = value[step]
    return tuple(path)
