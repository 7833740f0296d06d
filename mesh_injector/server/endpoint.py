"""The review endpoint: one AdmissionReview in, one out, as a bare ASGI function, because a framework would cost more than the engine.

    what happened                           HTTP   body
    an AdmissionReview, whatever comes out  200    AdmissionReview (the truth table is in `admission`)
    no AdmissionReview                      400    one line; also for a bug of ours before anything looks like a review
    another path, another method            404, 405
    a body over 7 MiB                       413
    no JSON, or compressed                  415

Never a redirect, which an API server would follow, and never a 5xx, which `failurePolicy: Ignore` takes for a yes.
"""

import contextlib
import logging
import secrets
import time
from typing import Final

import msgspec
import structlog
from starlette.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

import mesh_injector
from mesh_injector import admission, logs
from mesh_injector.admission import AdmissionRequest
from mesh_injector.engine import pipeline
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.errors import InjectionError, ReviewError
from mesh_injector.metrics import Metrics
from mesh_injector.reasons import Reason
from mesh_injector.server import budget, exchange
from mesh_injector.server.limits import BEGAN
from mesh_injector.server.options import Limits
from mesh_injector.server.tracing import Trace
from mesh_injector.server.turns import Turns
from mesh_injector.server.witness import Freshness, Witness, witness
from mesh_injector.store import Store

PATH: Final = "/mutate"

_OVERLOADED: Final = InjectionError(
    Reason.OVERLOADED, "more reviews came than can be answered in time", fix="try again; if it stays, run more replicas"
)
_NOT_READY: Final = InjectionError(Reason.NOT_READY, "the configuration has not been read yet", fix="try again")


class ReviewEndpoint:
    """Answers `POST /mutate` from the newest snapshot of a store. A review is quick, so it stays in the event loop."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics | None = None,
        turns: Turns | None = None,
        trace: Trace | None = None,
        freshness: Freshness | None = None,
    ) -> None:
        """Count in `metrics`, keep the order of `turns`, and tell `trace` of every review where there is one. With `freshness` there are
        the paths of registered meshes, and what they tell is compared with what is known here."""
        self._store, self._trace, self._freshness = store, trace, freshness
        self._metrics = metrics or Metrics(mesh_injector.__version__)
        self._turns = turns or Turns(Limits().waiting)
        self._log: FilteringBoundLogger = structlog.get_logger().bind()
        self._tells_all = self._log.is_enabled_for(logging.DEBUG)
        self._strangers = logs.Sparing(structlog.get_logger())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        self._metrics.in_flight += 1
        try:
            answer = await self._http(scope, receive)
            if answer is not None:
                await exchange.send_answer(send, *answer)
        finally:
            self._metrics.in_flight -= 1

    def review(self, body: bytes) -> bytes:
        """Answer one AdmissionReview now, whatever happens inside. Raises ReviewError (400) where it is none."""
        return self._answer(self._decode(body), time.monotonic(), ())

    async def _http(self, scope: Scope, receive: Receive) -> exchange.Answer | None:
        """The answer of one HTTP request; None where nobody waits for it any more."""
        try:
            if scope["path"] != PATH:
                self._check_path(scope["path"])
            return 200, await self._in_turn(self._decode(await exchange.read(scope, receive)), scope), exchange.JSON
        except ConnectionResetError:
            self._strangers.info("the client vanished while it sent a review", client=exchange.client_of(scope))
            return None
        except ReviewError as error:
            self._strangers.info("not a review", status=error.status, what=error.problem.what, client=exchange.client_of(scope))
            return exchange.refused(error)
        except Exception:  # noqa: BLE001 - uvicorn would answer 500
            return exchange.refused(ReviewError(self._bug(None).problem))

    def _check_path(self, path: str) -> None:
        """Look whether reviews are answered there. Raises ReviewError (404)."""
        if self._freshness is None or not witness(path):
            raise exchange.wrong(404, f"there is nothing at {path!r:.100}", f"send reviews to {PATH}")

    def _decode(self, body: bytes) -> AdmissionRequest:
        """Read a review; where a bug of ours prevents it, what begins as one is refused. Raises ReviewError (400)."""
        try:
            return admission.decode(body)
        except ReviewError:
            raise
        except Exception:
            request = admission.recognized(body)
            if request is None:
                raise
            return request.refused(self._bug(request))

    async def _in_turn(self, request: AdmissionRequest, scope: Scope) -> bytes:
        """Answer a review when its turn comes, or refuse it when its time is over, and whatever happens: a 400 would be taken for a yes."""
        try:
            began = scope.get("state", {}).get(BEGAN) or time.monotonic()
            due = began + budget.seconds(scope["query_string"])
            stale = await self._settle(request, scope["path"], due) if self._freshness else None
            in_time = not self._turns.is_busy or await self._turns.wait(self._flow(request), due)
            start = time.monotonic()
            fault = stale or (None if in_time and start <= due else _OVERLOADED)
        except Exception:  # noqa: BLE001 - the same as for a bug while it is decided
            began = start = time.monotonic()
            fault = self._bug(request)
        answer = self._answer(request.refused(fault) if fault else request, began, scope["headers"])
        try:
            self._turns.spend(self._flow(request), time.monotonic() - start)
        except Exception:  # noqa: BLE001 - the answer is made, and stays
            self._bug(request)
        return answer

    async def _settle(self, request: AdmissionRequest, path: str, due: float) -> InjectionError | None:
        """Learn what the API server knows and is not known here; what is returned refuses the pod."""
        seen, fresh = witness(path) or Witness(), self._freshness
        return await fresh.settle(request, seen, due) if fresh and fresh.doubts(request, seen) else None

    def _answer(self, request: AdmissionRequest, began: float, headers: exchange.Headers) -> bytes:
        try:
            outcome = self._decide(request)
            answer = admission.respond(request, outcome)
        except Exception:  # noqa: BLE001 - a bug of ours refuses the pod, since nobody knows what the answer is
            outcome = admission.refused(self._bug(request))
            answer = admission.respond(request, outcome)
        try:
            seconds = time.monotonic() - began
            self._tell(request, outcome, seconds)
            if self._trace is not None:
                self._trace(headers, request.uid, outcome, seconds)
        except Exception:  # noqa: BLE001 - the answer is made, and stays
            self._bug(request)
        return answer

    def _flow(self, request: AdmissionRequest) -> str:
        """The flow of a review: its namespace; all that nobody knows are one, since whoever reaches the port can make them up."""
        snapshot = self._store.snapshot
        return request.namespace if snapshot and request.namespace in snapshot.namespaces else ""

    def _decide(self, request: AdmissionRequest) -> Outcome:
        """What becomes of the pod."""
        snapshot = self._store.snapshot
        if request.fault is not None:
            return admission.refused(request.fault)
        if request.pod is None:
            return Outcome(Verdict.SKIPPED, Reason.NOT_A_POD)
        if snapshot is None:
            return admission.refused(_NOT_READY)
        try:
            return pipeline.inject(request.pod, snapshot.namespace(request.namespace), snapshot.rules)
        except (msgspec.DecodeError, RecursionError) as error:  # in parts that are decoded only when somebody asks
            return admission.refused(admission.no_pod(error))

    def _tell(self, request: AdmissionRequest, outcome: Outcome, seconds: float) -> None:
        """Count each review, and write one line for it; refusals are what someone will look for."""
        verdict, reason = outcome.words
        self._metrics.reviewed(verdict, reason, outcome.mesh, seconds)
        if self._tells_all or not outcome.allowed:
            self._log.log(
                logging.DEBUG if outcome.allowed else logging.INFO,
                "review",
                uid=request.uid,
                namespace=request.namespace,
                pod=request.pod.name if request.pod else "",
                outcome=verdict,
                reason=reason,
                mesh=outcome.mesh,
                ms=round(seconds * 1000, 3),
            )

    def _bug(self, request: AdmissionRequest | None) -> InjectionError:
        """Log the exception that is being handled, and return what to say of it: the reference under which it is found."""
        reference = secrets.token_hex(8)
        with contextlib.suppress(Exception):  # it may be the log that fails
            self._log.exception("internal error", reference=reference, uid=request.uid if request else "")
        return admission.bug(reference)
