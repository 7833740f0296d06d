"""Ports: binding them before anything else happens, and answering on them with uvicorn while a block lasts."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from mesh_injector import reasons
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.server.limits import bounded
from mesh_injector.server.options import Limits

_BACKLOG: Final = 2048


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


@contextlib.asynccontextmanager
async def accepting(app: ASGIApp, listening: socket.socket, limits: Limits, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Answer on a socket while the block lasts; at its end, stop accepting, finish what is open with `Connection: close`, and return.

    This is `uvicorn.Server.serve` without its signal handlers: two servers share one process, and its end has an order.
    """
    config = _config(app, limits, tls)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[listening])


def _config(app: ASGIApp, limits: Limits, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=bounded(limits),
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
