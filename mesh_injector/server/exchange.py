"""One HTTP request and its answer, where a framework would cost more than what it asks for: bounds before and while a body is read."""

from collections.abc import Iterable
from typing import Final

from starlette.types import Receive, Scope, Send

from mesh_injector import reasons
from mesh_injector.errors import Problem, ReviewError

BODY_BYTES: Final = 7 * 1024 * 1024
"""An object of an API server is at most 1.5 MiB in etcd and 3 MiB in a request; an update carries two of them."""

_MEDIA_TYPE: Final = b"application/json"
JSON: Final = ((b"content-type", _MEDIA_TYPE),)
_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)
_ALLOW: Final = (b"allow", b"POST")

Headers = Iterable[tuple[bytes, bytes]]
Answer = tuple[int, bytes, Headers]
"""HTTP status, body, and headers without the length."""


async def read(scope: Scope, receive: Receive) -> bytes:
    """The body within its limits. Raises ReviewError (405, 413, 415), and ConnectionResetError where the client is gone."""
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
    if scope["method"] != "POST":
        raise wrong(405, f"{scope['method']!r:.40} is no way to send a review", "use POST")
    headers = dict(scope["headers"])
    if b"content-encoding" in headers:
        raise wrong(415, "the body is encoded", "send it without Content-Encoding")
    content_type = headers.get(b"content-type", b"")
    if content_type != _MEDIA_TYPE and content_type.partition(b";")[0].strip().lower() != _MEDIA_TYPE:
        raise wrong(415, "the Content-Type is not application/json", "send JSON")
    if int(headers.get(b"content-length", 0)) > BODY_BYTES:
        raise _too_large()


def _too_large() -> ReviewError:
    return wrong(413, f"the body is larger than {BODY_BYTES // 2**20} MiB", "no object of a Kubernetes API server is")


def wrong(status: int, what: str, fix: str) -> ReviewError:
    """Make the error of a request that is answered with an HTTP status."""
    return ReviewError(Problem(reasons.NOT_A_REVIEW, what, fix=fix), status)


def _line(text: str) -> bytes:
    return f"{text}\n".encode(errors="backslashreplace")


def client_of(scope: Scope) -> str:
    """The address of whoever sent a request."""
    return scope["client"][0] if scope.get("client") else ""


def refused(error: ReviewError) -> Answer:
    """The answer to what is no review: its status, and one line."""
    return error.status, _line(str(error)), (*_TEXT, _ALLOW) if error.status == 405 else _TEXT


async def send_answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Answer one request."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
