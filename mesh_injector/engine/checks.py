"""Is it still good? What a template brings is checked when the overlay is made, the union with the pod when it is placed.

Only what the API server would refuse or silently drop is a finding; a pod that was already wrong gets the API server's own message.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mesh_injector.engine import address, defaults, schema, selector, structure
from mesh_injector.reasons import Reason

Path = tuple[str | int, ...]

CONTAINER_LISTS: Final = ("initContainers", "containers")
RECORD: Final = "mesh-injector.io/status"
"""The annotation that is ours alone."""

_DNS_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_PORT_NAME: Final = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\Z")
_ENV_NAME: Final = re.compile(r"[\x20-\x3c\x3e-\x7e]+\Z")


@dataclass(frozen=True, slots=True)
class Finding:
    """One new problem, at a path of the partial pod."""

    path: Path
    what: str
    fix: str = ""
    reason: Reason = Reason.RENDERED_INVALID_POD


def field_name(path: Path) -> str:
    """Write a path as people do: `spec.containers[0].image`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def of_overlay(body: Mapping[str, Any], *, privileged: bool) -> list[Finding]:
    """Find what is wrong with a partial pod by itself; structure first, so that `imagee:` is a misspelt field and not "no image"."""
    findings = list(_nulls(body, ()))
    findings = findings or [Finding(one.path, one.message, one.suggestion) for one in structure.violations(body)]
    if findings:
        return findings
    spec = body.get("spec") or {}
    findings = [finding for check in _CHECKS for finding in check(spec)] + list(_metadata(body.get("metadata") or {}))
    findings += _quantities(spec, _SPEC, ("spec",))
    return findings if privileged else findings + list(_rights(body))


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


def containers(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Iterate over init containers and containers with their paths."""
    for kind in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(kind) or ()):
            yield ("spec", kind, index), container


def _repeats(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A name twice in one template, in whatever list has names; those of containers and init containers are one space."""
    yield from _twice([(path, container["name"]) for path, container in containers(spec)], "container name")
    yield from _repeats_in({key: value for key, value in spec.items() if key not in CONTAINER_LISTS}, _SPEC, ("spec",))
    for path, container in containers(spec):
        yield from _repeats_in(container, _CONTAINER, path)


def _repeats_in(members: Mapping[str, Any], node: schema.Node | None, path: Path) -> Iterator[Finding]:
    """Look into the lists of one object and into the objects that are merged by their fields; items are whole."""
    for name, value in members.items():
        inner = node.field(name) if node else None
        keys = address.keys_of(inner, name)
        if keys and isinstance(value, list):
            what = _WORDS.get(name, f"name in `{name}`")
            yield from _twice([((*path, name, index), address.item_key(item, keys)) for index, item in enumerate(value)], what)
        elif isinstance(value, Mapping) and inner is not None and inner.kind == "object":
            yield from _repeats_in(value, inner, (*path, name))


def _twice(names: list[tuple[Path, str]], what: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, name in names:
        if name in seen:
            yield Finding(path, f"the {what} `{name}` stands twice in the template", "remove or rename one")
        seen.add(name)


def _quantities(value: Any, node: schema.Node | None, path: Path) -> Iterator[Finding]:
    """Find what is no quantity: the API server could not even decode the patch, and would not say whose it is."""
    if node is None:
        return
    if node.kind == "quantity" and not isinstance(defaults.quantity(value), Decimal):
        fix = "write a number with a suffix such as m, k, Mi or Gi: `100m`, `128Mi`"
        yield Finding(path, f"`{value!s:.40}` is no quantity", fix)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _quantities(item, node.field(name), (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _quantities(item, node.item(), (*path, index))


def _names(spec: Mapping[str, Any]) -> Iterator[Finding]:
    named = [*containers(spec), *((("spec", "volumes", index), volume) for index, volume in enumerate(spec.get("volumes") or ()))]
    for path, thing in named:
        if not _DNS_LABEL.match(thing["name"]):
            fix = "use at most 63 of a-z, 0-9 and `-`, as `|dns_label` makes it"
            yield Finding((*path, "name"), f"`{thing['name']:.80}` is no DNS label (RFC 1123)", fix)
    for path, container in containers(spec):
        for index, variable in enumerate(container.get("env") or ()):
            if not _ENV_NAME.match(variable["name"]):
                yield Finding(
                    (*path, "env", index, "name"), f"`{variable['name']!r:.80}` is no name of a variable", "use printable ASCII without `=`"
                )
            if variable.get("value") and variable.get("valueFrom"):
                yield Finding((*path, "env", index), "has both `value` and `valueFrom`", "keep one")


def _ports(spec: Mapping[str, Any]) -> Iterator[Finding]:
    for path, container in containers(spec):
        for index, port in enumerate(container.get("ports") or ()):
            at, name = (*path, "ports", index), port.get("name")
            if name and not _PORT_NAME.match(name):
                fix = "use at most 15 of a-z, 0-9 and `-`, with at least one letter"
                yield Finding((*at, "name"), f"`{name:.80}` ({len(name)} characters) is no port name (RFC 6335)", fix)
            for field, least in (("containerPort", 1), ("hostPort", 0)):
                if field in port and not least <= port[field] < 65536:
                    yield Finding((*at, field), f"{port[field]} is no port number", "use 1 to 65535")
            if port.get("protocol", "TCP") not in ("TCP", "UDP", "SCTP"):
                yield Finding((*at, "protocol"), f"`{port['protocol']:.40}` is no protocol", "use TCP, UDP or SCTP")


def _images(spec: Mapping[str, Any]) -> Iterator[Finding]:
    for path, container in containers(spec):
        if "image" in container and not container["image"].strip():
            yield Finding((*path, "image"), "is empty", "name the image, or leave the field out to add to the pod's own container")


def _sources(spec: Mapping[str, Any]) -> Iterator[Finding]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        sources = sorted(set(volume) - {"name"})
        if len(sources) > 1:
            yield Finding(("spec", "volumes", index), f"has several sources: {', '.join(sources)}", "keep one")


_WORDS: Final = {"volumes": "volume name", "env": "env name", "volumeMounts": "mount path", "ports": "port"}
_CHECKS: Final[tuple[Callable[[Mapping[str, Any]], Iterator[Finding]], ...]] = (_repeats, _names, _ports, _images, _sources)
_SPEC: Final = schema.POD.field("spec")
_LIST: Final = _SPEC.field("containers") if _SPEC else None
_CONTAINER: Final[schema.Node] = (_LIST.item() if _LIST else None) or schema.POD


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys and label values, as the API server checks them: it lets keys of annotations have capitals in their prefix."""
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not selector.is_label_key(key.lower() if field == "annotations" else key):
                yield Finding(("metadata", field, key), "is no qualified name", "use `[prefix/]name` of letters, digits, `-`, `_`, `.`")
            if field == "labels" and not selector.is_label_value(value):
                fix = "use at most 63 letters, digits, `-`, `_`, `.`, or an annotation"
                yield Finding(("metadata", field, key), f"{value!r:.80} is no label value", fix)
    if RECORD in (metadata.get("annotations") or {}):
        yield Finding(("metadata", "annotations", RECORD), "is the record, which the injector writes itself", "remove it")


_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_POD_RIGHTS: Final[dict[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"), bool),
    **dict.fromkeys(("nodeName", "serviceAccountName", "serviceAccount", "priorityClassName", "runtimeClassName"), bool),
    "priority": lambda value: value != 0,
}


def _rights(body: Mapping[str, Any]) -> Iterator[Finding]:
    """Fields that give a pod more than its author had, judged by value: `privileged: false` is fine."""
    metadata, spec = body.get("metadata") or {}, body.get("spec") or {}
    found: list[Path] = [("metadata", field) for field in ("ownerReferences", "finalizers") if metadata.get(field)]
    found += [
        ("metadata", "annotations", key)
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(_APPARMOR) and value == "unconfined"
    ]
    found += [("spec", field) for field, grants in _POD_RIGHTS.items() if field in spec and grants(spec[field])]
    found += [("spec", "volumes", index, "hostPath") for index, volume in enumerate(spec.get("volumes") or ()) if "hostPath" in volume]
    found += [("spec", "securityContext", *path) for path in _context_rights(spec.get("securityContext") or {})]
    for path, container in containers(spec):
        found += [(*path, "securityContext", *rest) for rest in _context_rights(container.get("securityContext") or {})]
    fix = "move Mesh and ConfigMap to the injector's own namespace, or remove the field"
    for path in found:
        yield Finding(
            path, "gives the pod more rights, which only a mesh and ConfigMap of the home namespace may", fix, Reason.FIELD_NOT_ALLOWED
        )


def _context_rights(context: Mapping[str, Any]) -> Iterator[Path]:
    if context.get("privileged"):
        yield ("privileged",)
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield ("windowsOptions", "hostProcess")
    if (context.get("capabilities") or {}).get("add"):
        yield ("capabilities", "add")
    if context.get("procMount") not in (None, "", "Default"):
        yield ("procMount",)
    for profile in ("seccompProfile", "appArmorProfile"):
        if (context.get(profile) or {}).get("type") == "Unconfined":
            yield (profile,)
