"""Ports: binding them before anything else happens, and answering on them with uvicorn while a block lasts."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from mesh_injector import logs, reasons
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.server.limits import Traffic, bounded
from mesh_injector.server.options import Limits

_BACKLOG: Final = 2048
_strangers: Final = logs.Sparing(structlog.get_logger())


def bind(host: str, port: int, flag: str) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises ConfigError (CANNOT_LISTEN), whose fix names the flag of the port."""
    if not 0 <= port <= 65535:  # the resolver would take it modulo 65536
        raise _refused(host, port, flag, "there is no such port")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        is_dual = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
        listening = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual)
    except UnicodeError as error:
        raise _refused(host, port, flag, "this is no host name") from error
    except OSError as error:
        is_system = error.errno is not None and error.errno > 0  # the resolver's own numbers are negative
        raise _refused(host, port, flag, os.strerror(error.errno or 0) if is_system else error.strerror or str(error)) from error
    # Connections inherit it. asyncio would set it only on those of its own sockets, and an answer would wait 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _refused(host: str, port: int, flag: str, why: str) -> ConfigError:
    fix = f"choose another port with {flag} (0 picks a free one), or another --host"
    return ConfigError(Problem(reasons.CANNOT_LISTEN, f"the server cannot listen there ({why})", f"{host}:{port}", fix))


class _Handshake(ssl.SSLObject):
    """TLS of one connection, which tells why a client did not come in: else a wrong `caBundle` would leave no line at all."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            _strangers.info("a client did not begin TLS", why=error.reason or error.strerror)
            raise


class _Server(uvicorn.Server):
    """uvicorn's server, with the bounds of TLS that it has no setting for."""

    def __init__(self, config: uvicorn.Config, traffic: Traffic) -> None:
        super().__init__(config)
        self._connection, self._seconds = bounded(traffic), traffic.limits.handshake_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        seconds = self._seconds if tls else None
        self.servers = [
            await loop.create_server(
                lambda: self._connection(self.config, self.server_state, {}),
                sock=each,
                backlog=_BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
            for each in sockets or []
        ]
        self.started = True


@contextlib.asynccontextmanager
async def accepting(app: ASGIApp, listening: socket.socket, limits: Limits, tls: ssl.SSLContext | None = None) -> AsyncIterator[Traffic]:
    """Answer on a socket while the block lasts; at its end, stop accepting, finish what is open with `Connection: close`, and return.

    This is `uvicorn.Server.serve` without its signal handlers: two servers share one process, and its end has an order.
    """
    traffic = Traffic(limits)
    if tls:
        tls.sslobject_class = _Handshake
    config = _config(app, limits, tls)
    config.load()
    server = _Server(config, traffic)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield traffic
    finally:
        traffic.leave()
        server.should_exit = True
        await ticking  # meanwhile what waits in the backlog is accepted: closing the socket would reset it
        await server.shutdown(sockets=[listening])


def _config(app: ASGIApp, limits: Limits, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http="httptools",
        ws="none",
        lifespan="off",
        workers=1,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=limits.drain_seconds,
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
    )
