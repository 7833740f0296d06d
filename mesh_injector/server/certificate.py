"""The serving certificate while the server serves: whoever reads one, from a folder or a Secret, offers it here, and a good one is loaded.

Whatever is wrong with the new one, the last good one serves on. One that API servers cannot trust yet waits until they can.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from mesh_injector import certs, reasons
from mesh_injector.certs import bundle, rotation
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.kube import secret
from mesh_injector.kube.resource import Key, Object
from mesh_injector.metrics import Metrics
from mesh_injector.server.app import Readiness
from mesh_injector.server.options import Options

_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


class Certificate:
    """What is in force, and what is offered: a pair by which no chain leads to the CAs in force is loaded `overlap` seconds later, when
    the leader has told them to API servers."""

    def __init__(self, live: certs.ServingContext, metrics: Metrics, readiness: Readiness, overlap: float) -> None:
        self._live, self._metrics, self._readiness, self._overlap = live, metrics, readiness, overlap
        self.pair: certs.Pair | None = None
        self.listeners: list[Callable[[], None]] = []
        """Called in the event loop when another pair is in force, or another bundle is to be trusted."""
        self._offered: certs.Pair | None = None
        self._due = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._told = ""

    @property
    def ca(self) -> bytes:
        """The CAs that API servers are to trust: those of the pair in force and of the one that waits."""
        both = [one for one in (self.pair, self._offered) if one is not None]
        return bundle.joined(*(one.ca for one in both)) if len(both) > 1 else both[0].ca if both else b""

    def in_force(self, pair: certs.Pair) -> None:
        """Take over a pair that is in the live context."""
        self.pair, self._offered = pair, None
        self._readiness.certificate_missing = ""
        self._readiness.certificate_expires = certs.expires(pair)
        authorities = [one.not_valid_after_utc for one in bundle.certificates(pair.ca)]
        self._metrics.certificate(self._readiness.certificate_expires, max(authorities, default=None))
        self._tell_listeners()

    def offer(self, pair: certs.Pair) -> None:
        """Load a pair that was read, now or when it is trusted; one that cannot serve is told."""
        if pair == self.pair:
            self._forget()
            self._told = ""
            return
        try:
            certs.check(pair, datetime.now(UTC))
            if not self._must_wait(pair):
                certs.reload(self._live, pair)
                self._forget()
                self.in_force(pair)
                _log.info("certificate loaded", origin=pair.origin, expires=certs.expires(pair).isoformat())
            self._told = ""
        except ConfigError as error:
            self.refuse(error)

    def refuse(self, error: ConfigError) -> None:
        """Say once that what was read cannot be used."""
        problem = error.problem
        if str(error) == self._told:
            return
        self._told = str(error)
        self._metrics.certificate(None)
        _log.warning("the certificate cannot be used: the last good one serves on")
        _log.warning("problem", code=problem.code, what=problem.what, where=problem.where, fix=problem.fix)

    def _must_wait(self, pair: certs.Pair) -> bool:
        """Whether API servers may not trust it yet, which ends by itself; nothing is lost where the old pair cannot serve any more."""
        now, at = time.monotonic(), datetime.now(UTC)
        if (
            not self._overlap
            or self.pair is None
            or not self.pair.ca
            or not rotation.is_usable(self.pair, at)
            or bundle.trusts(self.pair.ca, pair, at)
        ):
            return False
        if pair != self._offered:
            self._forget()
            self._offered, self._due = pair, now + self._overlap
            self._later = asyncio.get_running_loop().call_later(self._overlap, self.offer, pair)
            _log.info("certificate of another CA: it serves when that is trusted", origin=pair.origin, seconds=self._overlap)
            self._tell_listeners()
        return now < self._due

    def _forget(self) -> None:
        if self._later is not None:
            self._later.cancel()
        self._offered, self._later = None, None

    def _tell_listeners(self) -> None:
        for tell in self.listeners:
            tell()

    async def follow(self, directory: Path, seconds: float, nudge: asyncio.Event) -> None:
        """Read the folder every so often, or when nudged: a mount swaps a link, of which not every file system tells."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await nudge.wait()
            nudge.clear()
            try:
                self.offer(await asyncio.to_thread(serving_pair, directory))
            except ConfigError as error:
                self.refuse(error)
            except Exception:  # noqa: BLE001 # whatever it is, the next look may be better than the end of all looks
                _log.exception("internal error while the certificate was read: the last good one serves on")


class FromSecret:
    """Listens to the reflector of a Secret."""

    def __init__(self, certificate: Certificate, readiness: Readiness, origin: str) -> None:
        self._certificate, self._readiness, self._origin = certificate, readiness, origin
        readiness.certificate_missing = f"{origin} has not been read yet"

    def changed(self, _key: Key, body: Object | None) -> None:
        """Offer what it holds."""
        try:
            self._certificate.offer(self._pair(body))
        except ConfigError as error:
            if self._certificate.pair is None:
                self._readiness.certificate_missing = f"{error.problem.what}, at {self._origin}"
            if body is None or body.get("data") or self._certificate.pair is not None:
                self._certificate.refuse(error)

    def _pair(self, body: Object | None) -> certs.Pair:
        if body is None:
            fix = "apply the installation again: the leader fills it"
            raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, "the Secret is gone", self._origin, fix))
        return secret.pair(body)

    def state(self) -> None:
        """What it cannot read it tells itself."""


def serving_pair(directory: Path) -> certs.Pair:
    """The pair of a folder, good to serve now. Raises ConfigError with the file where it is not."""
    pair = certs.read(directory)
    certs.check(pair, datetime.now(UTC))
    return pair


def first_pair(options: Options) -> certs.Pair | None:
    """The pair of the TLS folder, or a new one for the names by which a cluster or somebody at this machine calls us; none where it will
    come from a Secret.

    Raises ConfigError, also for a service or URL that no API server would take.
    """
    target = options.names.target(options.home_namespace, b"")
    if options.tls_dir and options.secret:
        what, fix = "the certificate cannot come from a folder and a Secret", "give one of --tls-dir and --tls-secret"
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, what, "--tls-secret", fix))
    if options.secret and not options.reads_cluster:
        what, fix = "there is no cluster to read the Secret from", "add --source cluster, or give a folder by --tls-dir"
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, what, "--tls-secret", fix))
    if options.secret:
        return None
    if options.tls_dir:
        return serving_pair(options.tls_dir)
    return certs.issue(("localhost", "127.0.0.1", "::1", options.host, target.host), datetime.now(UTC))
