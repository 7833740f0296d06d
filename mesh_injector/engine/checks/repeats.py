"""Names that stand twice in one template, in whatever list has names: containers, volumes, variables, mounts, ports.

Kubernetes merges such items by name, so the second would be lost or refused; which of the two was meant, nobody can know.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mesh_injector.engine import address, schema
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding, Path, containers

_WORDS: Final = {"volumes": "volume name", "env": "env name", "volumeMounts": "mount path", "ports": "port"}
_CONTAINER: Final = schema.definition("Container")
_SPEC: Final = schema.definition("PodSpec")


def find(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a name twice in one template; the names of containers and init containers are one space."""
    yield from _containers(list(containers(spec)))
    yield from _in({key: value for key, value in spec.items() if key not in CONTAINER_LISTS}, _SPEC, ("spec",))
    for path, container in containers(spec):
        yield from _in(container, _CONTAINER, path)


def _containers(found: list[tuple[Path, Mapping[str, Any]]]) -> Iterator[Finding]:
    """Find a container twice; where one of the two has no image, as in a loop over `container_names`, that one is the pod's own."""
    has_image: dict[str, set[bool]] = {}
    for _, container in found:
        has_image.setdefault(container["name"], set()).add("image" in container)
    for one in _twice([(path, container["name"]) for path, container in found], "container name"):
        name = next(container["name"] for path, container in found if path == one.path)
        if len(has_image[name]) == 1:
            yield one
        else:
            yield Finding(one.path, f"{one.what}, and the one without an image is the pod's own", "rename one of the two")


def _in(members: Mapping[str, Any], node: schema.Node | None, path: Path) -> Iterator[Finding]:
    """Look into the lists of one object and into the objects that are merged by their fields; items are whole."""
    for name, value in members.items():
        inner = node.field(name) if node else None
        keys = address.keys_of(inner, name)
        if keys and isinstance(value, list):
            what = _WORDS.get(name, f"name in `{name}`")
            yield from _twice([((*path, name, index), address.item_key(item, keys)) for index, item in enumerate(value)], what)
        elif isinstance(value, Mapping) and inner is not None and inner.kind == "object":
            yield from _in(value, inner, (*path, name))


def _twice(names: list[tuple[Path, str]], what: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, name in names:
        if name in seen:
            yield Finding(path, f"the {what} `{name}` stands twice in the template", "remove or rename one")
        seen.add(name)
