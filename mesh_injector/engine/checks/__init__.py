"""Is it still good? What a template brings is checked when the overlay is made; `union` checks it with the pod when it is placed.

Only what the API server would refuse or silently drop is a finding; a pod that was already wrong gets the API server's own message.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mesh_injector.engine import schema, structure
from mesh_injector.engine.checks import metadata, relations, repeats, rights, values
from mesh_injector.engine.checks.finding import CONTAINER_LISTS, Finding, Path, at, containers, field_name
from mesh_injector.engine.checks.metadata import RECORD

__all__ = ["CONTAINER_LISTS", "RECORD", "Finding", "Path", "containers", "field_name", "of_overlay"]


def of_overlay(body: Mapping[str, Any], *, privileged: bool) -> list[Finding]:
    """Find what is wrong with a partial pod by itself; structure first, so that `imagee:` is a misspelt field and not "no image"."""
    findings = _refused(body) or [Finding(one.path, one.message, one.suggestion) for one in structure.violations(body)]
    if findings:
        return findings
    findings = list(_meaning(body))
    return findings if privileged else findings + list(rights.find(body))


def _refused(body: Mapping[str, Any]) -> list[Finding]:
    """Find nulls and directives. Written as JSON a body tells quickly whether it can have any."""
    text = msgspec.json.encode(body)
    return list(_nulls(body, ())) if b"null" in text or b'"$' in text else []


def _meaning(body: Mapping[str, Any]) -> Iterator[Finding]:
    spec = body.get("spec") or {}
    yield from repeats.find(spec)
    yield from values.find(body, schema.POD, ())
    for path, container in containers(spec):
        if "image" in container:
            yield from at(path, relations.of_container(container, str(path[1])))
    yield from metadata.find(body.get("metadata") or {})


def _nulls(value: Any, path: Path) -> Iterator[Finding]:
    if value is None:
        yield Finding(path, "a null", "leave the field out, by `{% if %}` where it depends on something")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("$patch", "$retainKeys", "$setElementOrder"):
                yield Finding((*path, key), "a strategic merge directive", "remove it: the pod wins, and nothing of it can be taken away")
            yield from _nulls(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nulls(item, (*path, index))
