"""AdmissionReview in and out: both wire versions become one neutral request, and the answer goes out in the version that asked.

    what happened                  allowed  patch  also (HTTP 200 always)
    injected                       true     yes    patchType JSONPatch, warnings
    skipped, audited               true     none   reason in the audit annotations; an audited error's text in `message`
    error, onError: Ignore         true     none   a short warning; the whole text in the audit annotation `message`
    error, onError: Fail           false    none   status 422 with the whole text
    the object is no pod           false    none   status 422; whoever sent it is no API server, which decodes before it asks
    overloaded, not ready          false    none   status 429 or 503 with `retryAfterSeconds`, so that a client tries again by itself
    our own bug                    false    none   status 500 with a reference that is in the log

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
"""

import base64
import re
from collections.abc import Iterable
from typing import Any, Final, Self

import msgspec

from mesh_injector import reasons
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.pod import Pod, Projection
from mesh_injector.errors import InjectionError, Problem, ReviewError, printable
from mesh_injector.reasons import Reason

VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
WARNING_CHARACTERS: Final = 120
WARNINGS_CHARACTERS: Final = 4096
RETRY_SECONDS: Final = 1
"""An API server makes the header Retry-After of it, and clients of Kubernetes obey that."""

_RETRIED: Final = {Reason.OVERLOADED, Reason.NOT_READY}
_STATUS: Final = {
    Reason.OVERLOADED: (429, "TooManyRequests"),
    Reason.NOT_READY: (503, "ServiceUnavailable"),
    Reason.INTERNAL: (500, "InternalError"),
}
_HEAD: Final = re.compile(rb'\{"kind":"AdmissionReview","apiVersion":"(admission\.k8s\.io/v1(?:beta1)?)","request":\{"uid":"([\w-]+)"')
"""How every API server begins a review: Go writes the members of a structure in their order."""


class _Resource(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    resource: str = ""


_PODS: Final = _Resource("", "v1", "pods")


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    uid: str
    resource: _Resource = _Resource()
    sub_resource: str = ""
    namespace: str = ""
    operation: str = ""


class _PodRequest(_Request, frozen=True, rename="camel"):
    object: Projection | None = None


class _AnyRequest(_Request, frozen=True, rename="camel"):
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Review(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str


class _PodReview(_Review, frozen=True, rename="camel"):
    request: _PodRequest


class _AnyReview(_Review, frozen=True, rename="camel"):
    request: _AnyRequest


_POD: Final = msgspec.json.Decoder(_PodReview)
"""Review and pod in one go, because going over the bytes is what takes longest."""
_ANYTHING: Final = msgspec.json.Decoder(_AnyReview)
_ENCODER: Final = msgspec.json.Encoder()


class AdmissionRequest(msgspec.Struct, frozen=True):
    """What an API server asks, whatever version it speaks. `pod` is None when there is nothing for us to decide.

    `fault` is what makes it impossible to decide: the pod is refused with it.
    """

    uid: str
    api_version: str
    namespace: str
    pod: Pod | None
    fault: InjectionError | None = None

    def refused(self, fault: InjectionError) -> Self:
        """The same request, which cannot be decided."""
        return msgspec.structs.replace(self, fault=fault)


def decode(body: bytes) -> AdmissionRequest:
    """Read an AdmissionReview; raise `ReviewError` (400) that says what is wrong with it.

    One that begins as API servers begin theirs and cannot be read has a fault instead: `failurePolicy: Ignore` would take a 400 for a
    yes, and whoever may create pods may write into `managedFields` what no decoder takes: deep nesting, half a surrogate, no UTF-8.
    """
    try:
        if not body.isascii():
            body.decode()
        try:
            review: _PodReview | _AnyReview = _POD.decode(body)
        except msgspec.ValidationError:  # the object is no pod; whether the rest is a review is told without it
            review = _ANYTHING.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if begun := recognized(body):
            return begun.refused(no_pod(error))
        raise _refuse(f"the body is no AdmissionReview: {_short(error)}") from error
    if review.kind != "AdmissionReview" or review.api_version not in VERSIONS:
        raise _refuse(f"the body is {review.api_version[:60]!r} {review.kind[:60]!r}, not an AdmissionReview of {' or '.join(VERSIONS)}")
    request = review.request
    if not request.uid:
        raise _refuse("the request has no uid")
    pod, fault = None, None
    if request.operation == "CREATE" and not request.sub_resource and request.resource == _PODS:
        try:
            pod = _pod(request, body)
        except ReviewError as error:
            fault = InjectionError(Reason.NOT_A_POD, error.problem.what, where="request.object", fix="send a v1 Pod")
    return AdmissionRequest(request.uid, review.api_version, request.namespace, pod, fault)


def recognized(body: bytes) -> AdmissionRequest | None:
    """What the first bytes tell of a review that cannot be read further; None where they are not those of an API server."""
    head = _HEAD.match(body)
    return AdmissionRequest(head[2].decode(), head[1].decode(), "", None) if head else None


def _pod(request: _PodRequest | _AnyRequest, body: bytes) -> Pod | None:
    """The pod of a request; None where there is none. Raises ReviewError where the object is no pod."""
    if isinstance(request, _PodRequest):
        return Pod(lambda: _ANYTHING.decode(body).request.object, request.object) if request.object is not None else None
    return Pod(request.object)


def _refuse(what: str) -> ReviewError:
    return ReviewError(Problem(reasons.NOT_A_REVIEW, what, "the request body", "only a Kubernetes API server should call this"))


def no_pod(error: Exception) -> InjectionError:
    """The fault of a request whose object cannot be read as a pod, from what the decoder said of it."""
    return InjectionError(Reason.NOT_A_POD, f"the object is not a pod: {_short(error)}", where="request.object", fix="send a v1 Pod")


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def respond(request: AdmissionRequest, outcome: Outcome) -> bytes:
    """Answer with an outcome, by the truth table above."""
    said = outcome.answers.get("review")
    if said is None:
        said = outcome.answers["review"] = _ENCODER.encode(_response(outcome))[1:]
    return _ANSWER % (request.api_version.encode(), _ENCODER.encode(request.uid), said)


_ANSWER: Final = b'{"apiVersion":"%b","kind":"AdmissionReview","response":{"uid":%b,%b}'
"""An answer: all that differs between pods of one outcome is the uid."""


def _response(outcome: Outcome) -> dict[str, Any]:
    """The answer to a review save for its uid."""
    response: dict[str, Any] = {"allowed": outcome.allowed}
    annotations = {
        "mesh": outcome.mesh,
        "outcome": outcome.verdict.value,
        "reason": outcome.reason.value,
        "template": outcome.template,
    }
    told = warnings(outcome)
    if outcome.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(outcome.encoded_patch).decode("ascii")
    if outcome.error is not None:
        if outcome.verdict is Verdict.REFUSED:
            response["status"] = _status(outcome)
        else:
            annotations["message"] = outcome.message
    if told:
        response["warnings"] = told
    response["auditAnnotations"] = annotations
    return response


def _status(outcome: Outcome) -> dict[str, Any]:
    code, reason = _STATUS.get(outcome.reason, (422, "Invalid"))
    retry = {"details": {"retryAfterSeconds": RETRY_SECONDS}} if outcome.reason in _RETRIED else {}
    return {"code": code, "message": outcome.message, "reason": reason, **retry}


def refused(error: InjectionError) -> Outcome:
    """The outcome of a review that no mesh decides about: its object is no pod, or the server cannot decide."""
    return Outcome(Verdict.REFUSED, error.reason, error=error)


def bug(reference: str) -> InjectionError:
    """The fault of a request at which a bug of ours came to light: the reference is in the log, beside what happened."""
    return InjectionError(Reason.INTERNAL, f"internal error, reference {reference}", fix="report it with the log line of that reference")


def warnings(outcome: Outcome) -> list[str]:
    """Make the warnings that an API server passes on; the first of an ignored error says which one."""
    told = list(outcome.warnings)
    if outcome.error is not None and outcome.verdict is Verdict.IGNORED:
        mesh = f"mesh {outcome.mesh}: " if outcome.mesh else ""
        told.insert(0, f"[{outcome.error.problem.code}] {mesh}not injected: {outcome.error.problem.what}")
    return bounded(told)


def bounded(texts: Iterable[str]) -> list[str]:
    """Cut warnings to what an API server takes: at most 120 characters each, 4 KiB in all, nothing a terminal would obey."""
    kept: list[str] = []
    room = WARNINGS_CHARACTERS
    for text in dict.fromkeys(texts):
        clean = printable(text)
        clean = clean if len(clean) <= WARNING_CHARACTERS else f"{clean[: WARNING_CHARACTERS - 1]}…"
        room -= len(clean.encode())
        if room < 0:
            break
        kept.append(clean)
    return kept
