"""The review endpoint: one AdmissionReview in, one out, as a bare ASGI function, because a framework would cost more than the engine.

    what happened                           HTTP   body
    an AdmissionReview, whatever comes out  200    AdmissionReview (the truth table is in `admission`)
    no AdmissionReview, or no pod in it     400    one line
    another path, another method            404, 405
    a body over 7 MiB                       413
    no JSON, or compressed                  415

Never a redirect, which an API server would follow, and never a 5xx, which `failurePolicy: Ignore` takes for a yes.
"""

import logging
import secrets
import time
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog
from starlette.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from mesh_injector import admission, reasons
from mesh_injector.admission import AdmissionRequest
from mesh_injector.engine import pipeline
from mesh_injector.engine.pipeline import Outcome, Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.errors import Problem, ReviewError
from mesh_injector.reasons import CODES, Reason
from mesh_injector.store import Store

PATH: Final = "/mutate"
BODY_BYTES: Final = 7 * 1024 * 1024
"""An object of an API server is at most 1.5 MiB in etcd and 3 MiB in a request; an update carries two of them."""

_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_ALLOW: Final = (b"allow", b"POST")

Headers = Iterable[tuple[bytes, bytes]]


class ReviewEndpoint:
    """Answers `POST /mutate` from the newest snapshot of a store. It is quick, so it stays in the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log: FilteringBoundLogger = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            body = await _read(scope, receive)
            await _send(send, 200, self.review(body), [_JSON])
        except ConnectionResetError:
            self._log.info("the client vanished while it sent a review", client=_client(scope))
        except ReviewError as error:
            self._log.info("not a review", status=error.status, what=error.problem.what, client=_client(scope))
            await _send(send, error.status, _line(str(error)), [_TEXT, _ALLOW] if error.status == 405 else [_TEXT])
        except Exception:  # noqa: BLE001 - uvicorn would answer 500
            reference = self._tell_bug()
            await _send(send, 400, _line(f"[{CODES[Reason.INTERNAL]}] internal error, reference {reference}"), [_TEXT])

    def review(self, body: bytes) -> bytes:
        """Answer one AdmissionReview, whatever happens inside. Raises ReviewError (400) where it is none, or its pod is none."""
        began = time.perf_counter()
        request = admission.decode(body)
        try:
            return self._answer(request, began)
        except ReviewError:
            raise
        except (msgspec.DecodeError, RecursionError) as error:
            raise _unreadable(error) from error
        except Exception:  # noqa: BLE001 - a bug of ours refuses the pod, since nobody knows what the answer is
            return admission.internal_error(request, self._tell_bug(request))

    def _answer(self, request: AdmissionRequest, began: float) -> bytes:
        if request.pod is None:
            self._tell(request, "", Outcome(Verdict.SKIPPED, Reason.NOT_A_POD), began)
            return admission.not_a_pod(request)
        snapshot = self._store.snapshot
        pod = Pod(request.pod)
        outcome = pipeline.inject(pod, snapshot.namespace(request.namespace), snapshot.rules)
        answer = admission.respond(request, outcome)
        self._tell(request, pod.name, outcome, began)
        return answer

    def _tell(self, request: AdmissionRequest, name: str, outcome: Outcome, began: float) -> None:
        """One line for each review; refusals are what someone will look for."""
        level = logging.INFO if outcome.verdict is Verdict.REFUSED else logging.DEBUG
        if self._log.is_enabled_for(level):
            self._log.log(
                level,
                "review",
                uid=request.uid,
                namespace=request.namespace,
                pod=name,
                outcome=outcome.verdict.value,
                reason=outcome.reason.value,
                mesh=outcome.mesh,
                ms=round((time.perf_counter() - began) * 1000, 3),
            )

    def _tell_bug(self, request: AdmissionRequest | None = None) -> str:
        """Log the exception that is being handled, and return the reference under which it is found."""
        reference = secrets.token_hex(8)
        self._log.exception("internal error", reference=reference, uid=request.uid if request else "")
        return reference


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The body within its limits. Raises ReviewError (404, 405, 413, 415), and ConnectionResetError where the client is gone."""
    _check(scope)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(chunks)


def _check(scope: Scope) -> None:
    """What the request line and the headers can tell, before anything is read."""
    if scope["path"] != PATH:
        raise _wrong(404, f"there is nothing at {scope['path']!r:.100}", f"send reviews to {PATH}")
    if scope["method"] != "POST":
        raise _wrong(405, f"{scope['method']!r:.40} is no way to send a review", "use POST")
    headers = dict(scope["headers"])
    if b"content-encoding" in headers:
        raise _wrong(415, "the body is encoded", "send it without Content-Encoding")
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise _wrong(415, "the Content-Type is not application/json", "send JSON")
    if int(headers.get(b"content-length", 0)) > BODY_BYTES:
        raise _too_large()


def _too_large() -> ReviewError:
    return _wrong(413, f"the body is larger than {BODY_BYTES // 2**20} MiB", "no object of a Kubernetes API server is")


def _wrong(status: int, what: str, fix: str) -> ReviewError:
    return ReviewError(Problem(reasons.NOT_A_REVIEW, what, fix=fix), status)


def _unreadable(error: Exception) -> ReviewError:
    """For parts of the pod that are decoded only when somebody asks: the decoder's limits, met late."""
    why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
    return ReviewError(Problem(reasons.NOT_A_REVIEW, f"the object is not a pod: {why}", "request.object", "send a v1 Pod"))


def _line(text: str) -> bytes:
    return f"{text}\n".encode(errors="backslashreplace")


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
