"""Serving certificates: issuing, checking, renewing, reading from a folder, and swapping in the live TLS context.

Nothing here looks at the clock: whatever depends on time takes it as an argument. X.509 is RFC 5280.
"""

from mesh_injector.certs.authority import issue
from mesh_injector.certs.pair import Pair, read
from mesh_injector.certs.serving import ServingContext, context, reload
from mesh_injector.certs.validity import check, expires

__all__ = ["Pair", "ServingContext", "check", "context", "expires", "issue", "read", "reload"]
