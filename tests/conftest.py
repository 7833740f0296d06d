"""What all tests share: the option that writes the golden files anew, and a webhook that answers over real HTTPS."""

import asyncio
import http.client
import ssl
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from mesh_injector import certs, store
from mesh_injector.documents import Document
from mesh_injector.server import Limits, listener
from mesh_injector.server.endpoint import PATH, ReviewEndpoint


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the files of tests/golden anew instead of comparing them")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written; without the option nothing is ever written."""
    return bool(request.config.getoption("--update-golden"))


@dataclass(frozen=True)
class Webhook:
    """The server's endpoint behind TLS on a free port; one connection is kept, as an API server does."""

    current: store.Store
    connection: http.client.HTTPSConnection

    def load(self, documents: Iterable[Document]) -> None:
        """Begin anew with these Meshes, ConfigMaps and Namespaces: nothing of an earlier test is left in force."""
        self.current.snapshot = store.load(documents)

    def post(self, body: bytes) -> bytes:
        """Send an AdmissionReview and return the answer."""
        self.connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        assert (response.status, response.headers["Content-Type"]) == (200, "application/json"), answer
        return answer


@pytest.fixture(scope="session")
def webhook() -> Iterator[Webhook]:
    """One webhook for all tests; it starts in a thread of its own."""
    pair = certs.issue(["127.0.0.1"], datetime.now(UTC))
    current = store.Store(store.load(()))
    with listener.bind("127.0.0.1", 0, "--port") as listening, asyncio.Runner() as runner:
        loop, stop, started = runner.get_loop(), asyncio.Event(), threading.Event()

        async def serve() -> None:
            async with listener.accepting(ReviewEndpoint(current), listening, Limits(drain_seconds=1), certs.context(pair)):
                started.set()
                await stop.wait()

        thread = threading.Thread(target=runner.run, args=(serve(),))
        thread.start()
        try:
            assert started.wait(10), "the webhook does not start"
            context = ssl.create_default_context(cadata=pair.ca.decode())
            connection = http.client.HTTPSConnection("127.0.0.1", listening.getsockname()[1], context=context, timeout=10)
            yield Webhook(current, connection)
            connection.close()
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
