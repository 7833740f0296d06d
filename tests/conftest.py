"""What all tests share: the option that writes the golden files anew, and a webhook that answers over real HTTPS."""

import asyncio
import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, settings

from mesh_injector import certs, store
from mesh_injector.server import Limits, listener
from mesh_injector.server.endpoint import PATH, ReviewEndpoint
from mesh_injector.store import Snapshot
from tests.e2e.controlplane import build

# The same cases on every machine and run, and never a verdict by the clock.
settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.register_profile("examples", phases=[Phase.explicit])  # `make coverage`: no branch is taken by chance
settings.register_profile("fuzz", deadline=None, derandomize=False, max_examples=2000, print_blob=True)  # a round of `make fuzz`
settings.load_profile("project")

os.environ.pop("COLUMNS", None)  # workers have one of their own, and outputs are those of a pipe


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the files of tests/golden anew instead of comparing them")
    parser.addoption("--judge-all", action="store_true", help="try every case of the judge, and write the list of known misses anew")


def pytest_configure() -> None:
    """Refuse a Kubernetes version that is not pinned, before any worker starts: what was chosen was not what was tried."""
    try:
        build.assets()
    except build.NotPinned as error:
        raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the end-to-end tests did not run; a line among the skipped ones is easily overlooked."""
    skipped = [report for report in terminalreporter.getreports("skipped") if "there is no control plane" in str(report.longrepr)]
    if skipped:
        terminalreporter.section(f"{len(skipped)} END-TO-END TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"Nothing was tried on a real API server: {build.assets()} lacks {', '.join(build.missing())}; "
            "run `make controlplane` (needs Go) with the same KUBERNETES, or set KUBEBUILDER_ASSETS.",
            red=True,
        )


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written; without the option nothing is ever written."""
    return bool(request.config.getoption("--update-golden"))


Webhook = Callable[[Snapshot, bytes], bytes]
"""Put a snapshot in force, post an AdmissionReview to the server's endpoint behind TLS, and return the answer."""


@pytest.fixture(scope="session")
def webhook() -> Iterator[Webhook]:
    """One webhook for all tests, in a thread of its own; its one connection is kept, as an API server does."""
    pair = certs.issue(["127.0.0.1"], datetime.now(UTC))
    current = store.Store(store.load(()))
    with listener.bind("127.0.0.1", 0, "--port") as listening, serving(current, listening, pair):
        port: int = listening.getsockname()[1]
        context = ssl.create_default_context(cadata=pair.ca.decode())
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)) as connection:

            def post(snapshot: Snapshot, body: bytes) -> bytes:
                current.snapshot = snapshot
                connection.request("POST", PATH, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer: bytes = response.read()
                assert (response.status, response.headers["Content-Type"]) == (200, "application/json"), answer
                return answer

            yield post


@contextlib.contextmanager
def serving(current: store.Store, listening: socket.socket, pair: certs.Pair) -> Iterator[None]:
    """Serve the review endpoint in a thread while the block lasts."""
    stop, started = asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with listener.accepting(ReviewEndpoint(current), listening, Limits(drain_seconds=1), certs.context(pair)):
            started.set()
            await stop.wait()

    with asyncio.Runner() as runner:
        loop, thread = runner.get_loop(), threading.Thread(target=runner.run, args=(serve(),))
        thread.start()
        try:
            assert started.wait(10), "the webhook does not start"
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
