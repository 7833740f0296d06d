"""AdmissionReviews about Meshes and template ConfigMaps: from the wire to a proposal, and from the advice about it back.

    what the change does                  allowed  also (HTTP 200 always)
    nothing wrong                         true     warnings of `lint`
    breaks something                      false    status 422 with what breaks, in the words of `lint`
    leaves broken what was broken         true     warnings that say what
    cannot be judged: overload, our bug   true     a warning; the Mesh's status will tell

The webhook is a courtesy to whoever types: what it lets pass, the Mesh's conditions tell. So it never holds up what it cannot judge.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mesh_injector import admission, reasons
from mesh_injector.documents import Document, Origin
from mesh_injector.errors import InjectionError, Problem, ReviewError, printable
from mesh_injector.formats.mesh.proposal import Advice, Proposal

TOLD: Final = 10
"""So many problems a refusal tells; of the others only how many there are."""
TOLD_CHARACTERS: Final = 1000
"""Characters of each; the whole is what a terminal shows, and less than what an API server takes."""
_KINDS: Final = {("mesh-injector.io", "meshes"): "Mesh", ("", "configmaps"): "ConfigMap"}


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


class _Resource(msgspec.Struct, frozen=True):
    group: str = ""
    resource: str = ""


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    uid: str
    resource: _Resource = _Resource()
    sub_resource: str = ""
    namespace: str = ""
    object: msgspec.Raw = msgspec.Raw(b"null")
    old_object: msgspec.Raw = msgspec.Raw(b"null")


class _Review(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    request: _Request


_REVIEW: Final = msgspec.json.Decoder(_Review)
_OBJECT: Final = msgspec.json.Decoder(_Object | None)


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """What an API server asks, whatever version it speaks. `change` is None where there is nothing to judge."""

    uid: str
    api_version: str
    namespace: str
    change: Proposal | None


def decode(body: bytes) -> ValidationRequest:
    """Read an AdmissionReview; raise `ReviewError` (400) that says what is wrong with it."""
    try:
        review = _REVIEW.decode(body)
        if review.kind != "AdmissionReview" or review.api_version not in admission.VERSIONS or not review.request.uid:
            raise msgspec.ValidationError(f"it needs a kind, a uid, and a version of {' or '.join(admission.VERSIONS)}")
        request = review.request
        kind = _KINDS.get((request.resource.group, request.resource.resource))
        is_judged = kind is not None and not request.sub_resource
        change = Proposal(*(_document(str(kind), raw, request) for raw in (request.old_object, request.object))) if is_judged else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        what = f"the body is no AdmissionReview: {told}"
        raise ReviewError(
            Problem(reasons.NOT_A_REVIEW, what, "the request body", "only a Kubernetes API server should call this")
        ) from error
    return ValidationRequest(request.uid, review.api_version, request.namespace, change)


def _document(kind: str, raw: msgspec.Raw, request: _Request) -> Document | None:
    """Make a document of an object; its version is what the request says, and its namespace wins over what the object says."""
    if _OBJECT.decode(raw) is None:
        return None
    body = msgspec.json.decode(raw)
    metadata = {**(body.get("metadata") or {}), "namespace": request.namespace}
    return Document({**body, "kind": kind, "metadata": metadata}, Origin(f"{kind} {request.namespace}/{metadata.get('name', '')}"))


def respond(request: ValidationRequest, advice: Advice) -> bytes:
    """Answer with an advice, by the table above."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": not advice.errors}
    if advice.errors:
        response["status"] = {"code": 422, "reason": "Invalid", "message": message(advice.errors)}
    if told := admission.bounded(f"[{problem.code}] {problem.what}" for problem in advice.warnings):
        response["warnings"] = told
    return msgspec.json.encode({"apiVersion": request.api_version, "kind": "AdmissionReview", "response": response})


def message(errors: Sequence[Problem]) -> str:
    """Tell what a change breaks, a line each; the first one begins as every message of ours does."""
    lines = [_cut(printable(str(problem))) for problem in errors[:TOLD]]
    if len(errors) > TOLD:
        lines.append(f"and {len(errors) - TOLD:,} more, which `mesh-injector lint` tells")
    return "mesh-injector: " + "\n".join(lines)


def unjudged(error: InjectionError) -> Advice:
    """Let a change pass that could not be judged, and say so."""
    return Advice(warnings=(Problem(error.problem.code, f"not validated, see the status of the Mesh: {error.problem.what}"),))


def _cut(text: str) -> str:
    return text if len(text) <= TOLD_CHARACTERS else f"{text[: TOLD_CHARACTERS - 1]}…"
