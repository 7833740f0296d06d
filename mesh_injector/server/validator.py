"""`POST /validate`: changes of Meshes and template ConfigMaps, tried on the current snapshot before the API server takes them.

A trial may take long, so it is done in a thread, one at a time; what cannot be tried in time is let pass with a warning.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from mesh_injector import admission, logs, validation
from mesh_injector.documents import Document
from mesh_injector.errors import ClusterError, InjectionError, ReviewError
from mesh_injector.formats.mesh import proposal
from mesh_injector.formats.mesh.proposal import Advice, Proposal
from mesh_injector.reasons import Reason
from mesh_injector.server import budget, exchange
from mesh_injector.server.limits import BEGAN
from mesh_injector.server.options import Limits
from mesh_injector.store import Snapshot, Store
from mesh_injector.validation import ValidationRequest

PATH: Final = "/validate"
WAITING: Final = 32
"""So many changes wait for their trial."""
WAITING_OF_ONE: Final = 8
"""So many of them are of one namespace."""

Find = Callable[[str, str], Awaitable[Document | None]]
"""Looks for a ConfigMap, by namespace and name, that the snapshot does not have. May raise ClusterError."""

_OVERLOADED: Final = InjectionError(Reason.OVERLOADED, "more changes came than can be tried in time")
_NOT_READY: Final = InjectionError(Reason.NOT_READY, "the configuration has not been read yet")


def beside(reviews: ASGIApp, validations: ASGIApp) -> ASGIApp:
    """Both endpoints on one port."""

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await (validations if scope["path"] == PATH else reviews)(scope, receive, send)

    return either


class ValidationEndpoint:
    """Answers `POST /validate` by the newest snapshot of a store, and by what `find` finds beside it."""

    def __init__(self, store: Store, limits: Limits, find: Find | None = None) -> None:
        self._store, self._limits, self._find = store, limits, find
        self._thread = ThreadPoolExecutor(1, "validation")
        self._waiting: Counter[str] = Counter()
        self._log: FilteringBoundLogger = structlog.get_logger().bind()
        self._strangers = logs.Sparing(structlog.get_logger())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, never by a redirect or a 5xx."""
        try:
            request = validation.decode(await exchange.read(scope, receive))
            answer: exchange.Answer = 200, await self._answer(request, scope), exchange.JSON
        except ConnectionResetError:
            return
        except ReviewError as error:
            self._strangers.info("not a review", status=error.status, what=error.problem.what, client=exchange.client_of(scope))
            answer = exchange.refused(error)
        except Exception:  # noqa: BLE001 - uvicorn would answer 500
            answer = exchange.refused(ReviewError(self._bug("").problem))
        await exchange.send_answer(send, *answer)

    async def _answer(self, request: ValidationRequest, scope: Scope) -> bytes:
        began = scope.get("state", {}).get(BEGAN) or time.monotonic()
        try:
            async with asyncio.timeout(began + budget.seconds(scope["query_string"]) - time.monotonic()):
                advice = await self._advice(request)
        except TimeoutError:
            advice = validation.unjudged(_OVERLOADED)
        except Exception:  # noqa: BLE001 - whoever mends a Mesh must not be held up by a bug of ours
            advice = validation.unjudged(self._bug(request.uid))
        self._tell(request, advice, time.monotonic() - began)
        return validation.respond(request, advice)

    async def _advice(self, request: ValidationRequest) -> Advice:
        """Try a change, where there is room for one more; one that is bad a second time, since what was applied a moment ago may come."""
        if request.change is None:
            return Advice()
        namespace = request.namespace
        if self._waiting.total() >= WAITING or self._waiting[namespace] >= WAITING_OF_ONE:
            return validation.unjudged(_OVERLOADED)
        self._waiting[namespace] += 1
        try:
            before = self._store.snapshot
            advice = await self._try(request.change, before)
            if advice.errors:
                await asyncio.sleep(self._limits.confirm_seconds)
                if self._store.snapshot is not before:
                    advice = await self._try(request.change, self._store.snapshot)
            return advice
        finally:
            self._waiting[namespace] -= 1
            self._waiting += Counter()  # forgets the namespaces of which none waits

    async def _try(self, change: Proposal, snapshot: Snapshot | None) -> Advice:
        if snapshot is None:
            return validation.unjudged(_NOT_READY)
        home, documents = snapshot.rules.home, snapshot.documents
        documents += await self._found(proposal.missing(change, documents, home))
        return await asyncio.get_running_loop().run_in_executor(self._thread, proposal.judge, change, documents, home)

    async def _found(self, names: list[tuple[str, str]]) -> tuple[Document, ...]:
        if self._find is None or not names:
            return ()
        try:
            found = await self._find(*names[0])
        except (ClusterError, ValueError):  # forbidden, away, or no name at all: it counts as not there, which is a warning
            return ()
        return (found,) if found else ()

    def _tell(self, request: ValidationRequest, advice: Advice, seconds: float) -> None:
        """Write one line for a change that is judged; a refusal is what someone will look for."""
        document = request.change and (request.change.new or request.change.old)
        if document:
            tell = self._log.info if advice.errors else self._log.debug
            codes = [problem.code for problem in (*advice.errors, *advice.warnings)]
            tell(
                "validation", uid=request.uid, object=str(document.origin), allowed=not advice.errors, codes=codes, ms=round(seconds * 1000)
            )

    def _bug(self, uid: str) -> InjectionError:
        """Log the exception that is being handled, and return what to say of it: the reference under which it is found."""
        reference = secrets.token_hex(8)
        self._log.exception("internal error", reference=reference, uid=uid)
        return admission.bug(reference)
