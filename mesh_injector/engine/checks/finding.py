"""A finding: one thing that is wrong with a partial pod, where, and how to mend it; and the walk over a pod's containers.

The other rooms of this package yield findings, each about its theme.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from mesh_injector.reasons import Reason

Path: TypeAlias = tuple[str | int, ...]

CONTAINER_LISTS: Final = ("initContainers", "containers")


@dataclass(frozen=True, slots=True)
class Finding:
    """One new problem, at a path of the partial pod."""

    path: Path
    what: str
    fix: str = ""
    reason: Reason = Reason.RENDERED_INVALID_POD


def at(path: Path, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Put findings about a part where the part stands."""
    for finding in findings:
        yield replace(finding, path=(*path, *finding.path))


def field_name(path: Path) -> str:
    """Write a path as people do: `spec.containers[0].image`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def containers(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Iterate over init containers and containers with their paths."""
    for kind in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(kind) or ()):
            yield ("spec", kind, index), container
