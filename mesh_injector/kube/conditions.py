"""What the status of a Mesh says: five conditions, as `kubectl wait`, Argo CD and Flux read them, and the template that serves.

Pure; an unchanged status is equal to what was there, so that nothing needs to be written.
Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_injector.documents import Document
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh.load import Wrong, is_mesh
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

READY: Final = "Ready"
TYPES: Final = (READY, "ConfigMapFound", "TemplateValid", "SelectorValid", "Registered")
MESSAGE_CHARACTERS: Final = 2048
_NOT_FOUND: Final = frozenset({Reason.CONFIG_MAP_MISSING, Reason.CONFIG_MAP_FORBIDDEN, Reason.CONFIG_MAP_KEY_MISSING})
_OF_THE_DOCUMENT: Final = frozenset({Reason.NOT_READY, Reason.SELECTOR_INVALID, Reason.REGION_MISSING})
"""What is wrong with the Mesh and neither with its ConfigMap nor with the template."""
_GOOD: Final = {
    READY: "a pod that the mesh selects is injected or refused",
    "ConfigMapFound": "the ConfigMap is there, with our label and the entry",
    "TemplateValid": "the template compiles and can work for some pod",
    "SelectorValid": "the selectors are complete and correct",
    "Registered": "the API server asks about the pods that the mesh selects",
}

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one Mesh: whether its author wants it on, what is wrong with what he wrote last, the digest of the template
    that serves (or empty), whether that is an older one, and why it is not registered (None: it is)."""

    is_on: bool
    wrong: tuple[Wrong, ...] = ()
    digest: str = ""
    is_older: bool = False
    unregistered: Problem | None = None


@dataclass(frozen=True, slots=True)
class _State:
    status: str
    reason: str
    message: str


def facts(snapshot: Snapshot, unregistered: Mapping[str, Problem]) -> Iterator[tuple[Document, Facts]]:
    """Iterate over the Meshes of a snapshot, with what is known of each of them; those not in `unregistered` are registered."""
    meshes = {str(mesh): mesh for mesh in snapshot.loaded.meshes}
    for document in snapshot.documents:
        if is_mesh(document):
            name = f"{document.namespace}/{document.name}"
            mesh, spec = meshes.get(name), document.body.get("spec")
            is_on = isinstance(spec, dict) and spec.get("enableAutoInject") is True
            wrong, digest = snapshot.loaded.wrong.get(name, ()), mesh.digest if mesh else ""
            is_older = mesh is not None and (name in snapshot.loaded.stale or (bool(wrong) and mesh.fault is None))
            yield document, Facts(is_on, wrong, digest, is_older, unregistered.get(name))


def status(known: Facts, generation: int, current: Status, at: str) -> Status:
    """Make the status of one generation of a Mesh out of the current one, at a time as RFC 3339 writes it.

    A condition keeps its `lastTransitionTime` while its status is the same, and a template its `loadedAt` while its text is.
    """
    found = {name: _state(name, known) for name in TYPES}
    before = {one.get("type"): one for one in current.get("conditions") or () if isinstance(one, dict)}
    conditions = [_condition(name, state, generation, before.get(name), at) for name, state in found.items()]
    return {"observedGeneration": generation, **_template(known, current, at), "conditions": conditions}


def changes(before: Status, after: Status) -> list[dict[str, Any]]:
    """Find the conditions that an event tells of: those whose status or reason has changed, of several with one message the first.

    Of a status that says nothing yet it is Ready alone.
    """
    known = {one["type"]: (one["status"], one["reason"]) for one in before.get("conditions") or ()}
    changed = [one for one in after["conditions"] if (one["status"], one["reason"]) != known.get(one["type"])]
    told = {one["message"]: one for one in reversed(changed) if known or one["type"] == READY}
    return list(reversed(told.values()))


def _template(known: Facts, current: Status, at: str) -> Status:
    if not known.digest:
        return {}
    before = current.get("template") or {}
    is_same = before.get("digest") == known.digest and "loadedAt" in before
    return {"template": {"digest": known.digest, "loadedAt": before["loadedAt"] if is_same else at}}


def _condition(name: str, state: _State, generation: int, before: Mapping[str, Any] | None, at: str) -> dict[str, Any]:
    since = before["lastTransitionTime"] if before and before.get("status") == state.status else at
    told = {"reason": state.reason, "message": state.message}
    return {"type": name, "status": state.status, **told, "observedGeneration": generation, "lastTransitionTime": since}


def _state(name: str, known: Facts) -> _State:
    if name == READY:
        return _ready(known)
    if name == "Registered":
        return _registered(known)
    reason, problem = next(((reason, problem) for reason, problem in known.wrong if _condition_of(reason) == name), (None, None))
    if reason and problem:
        return _State("False", reason, _message(problem, known))
    unknown = next(((reason, problem) for reason, problem in known.wrong if _hides(reason, name)), None)
    return _State("Unknown", unknown[0], _message(unknown[1], known)) if unknown else _good(name)


def _ready(known: Facts) -> _State:
    if not known.is_on:
        return _State("False", Reason.AUTO_INJECT_OFF, "the mesh injects nothing; set `enableAutoInject: true` for that")
    if known.wrong:
        reason, problem = known.wrong[0]
        return _State("False", reason, _message(problem, known))
    return _registered(known) if known.unregistered else _good(READY)


def _registered(known: Facts) -> _State:
    if not known.is_on:
        return _State("False", Reason.AUTO_INJECT_OFF, "the mesh is off, so the API server asks about none of its pods")
    if known.unregistered:
        return _State("False", Reason.NOT_READY, _message(known.unregistered, Facts(is_on=True)))
    return _good("Registered")


def _good(name: str) -> _State:
    return _State("True", name, _GOOD[name])


def _condition_of(reason: Reason) -> str:
    if reason is Reason.SELECTOR_INVALID:
        return "SelectorValid"
    return "ConfigMapFound" if reason in _NOT_FOUND else "" if reason in _OF_THE_DOCUMENT else "TemplateValid"


def _hides(reason: Reason, name: str) -> bool:
    """Whether something that is wrong keeps us from knowing another condition."""
    return reason is Reason.NOT_READY or (reason in _NOT_FOUND and name == "TemplateValid")


def _message(problem: Problem, known: Facts) -> str:
    serving = "; until then the last good one serves on" if known.is_older else ""
    return f"{str(problem)[:MESSAGE_CHARACTERS]}{serving}"
