"""The table of what a server bounds, with the numbers that it has."""

from mesh_injector.server.exchange import BODY_BYTES
from mesh_injector.server.limits import HEAD_BYTES
from mesh_injector.server.options import Limits
from scripts.reference.markdown import amount, table


def bounds() -> str:
    """Every bound of a request and a connection, and what happens above it."""
    limits = Limits()
    return table(
        ("bound", "", "what happens above it"),
        (
            ("body", amount(BODY_BYTES), "413"),
            ("headers", amount(HEAD_BYTES), "the connection is cut off"),
            ("one request, headers and body", f"{limits.message_seconds:g} s", "the connection is cut off"),
            ("TLS handshake", f"{limits.handshake_seconds:g} s", "the connection is cut off"),
            ("idle connection", f"{limits.keep_alive_seconds:g} s, since an API server keeps its own for 90 s", "it is closed"),
            (
                "connections",
                f"{limits.connections:,} on each port",
                "the one that was idle for longest is closed; where none is idle, the slowest client is cut off",
            ),
            ("bodies in memory", f"{amount(limits.held_bytes)} on each port", "the client that has been sending for longest is cut off"),
            ("reviews that wait for their turn", f"{limits.waiting:,}", "one of the namespace with most of them is refused at once"),
            (
                "requests on one connection that came before their turn",
                "what was read at once",
                "nothing more is read until they are answered",
            ),
        ),
    )
