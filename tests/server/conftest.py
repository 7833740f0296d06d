"""A real server in a thread of its own, a client that verifies it as an API server does, and reviews that one really sent."""

import asyncio
import contextlib
import functools
import http.client
import io
import json
import logging
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
import structlog
from uvicorn.loops.auto import auto_loop_factory

from mesh_injector import logs
from mesh_injector.server import Addresses, Options, running
from tests.e2e import processes

REVIEWS = Path(__file__).parents[2] / "config" / "samples" / "reviews"
MESH = """
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: payments, namespace: mesh-system}
spec:
  enableAutoInject: true
  region: eu-west-1
  injectionSelector:
    podSelector: {matchExpressions: [{key: app, operator: In, values: [cart, debug]}]}
  sidecarPatchConfigMap: {name: envoy}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: envoy, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data:
  patch.yaml.j2: |
    containers:
      - name: envoy
        image: envoy:v1
        env:
          - {name: NODE, value: {{ virtual_node_name }}}
          - {name: PORTS, value: {{ app_ports }}}
"""
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def response(self) -> dict[str, Any]:
        review = json.loads(self.body)
        assert (self.status, self.headers["Content-Type"], review["kind"]) == (200, "application/json", "AdmissionReview")
        return dict(review["response"])


@dataclass
class Client:
    """One connection to a server, verified against the CA it offers and kept open as an API server keeps it."""

    addresses: Addresses
    connection: http.client.HTTPSConnection = field(init=False)

    def __post_init__(self) -> None:
        url = urlsplit(self.addresses.mutate)
        context = ssl.create_default_context(cadata=self.addresses.ca.decode())
        self.connection = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=10)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def post(self, body: Any) -> Answer:
        return self.request("POST", "/mutate?timeout=5s", body, {"Content-Type": "application/json"})

    def review(self, review: dict[str, Any]) -> dict[str, Any]:
        return self.post(json.dumps(review).encode()).response

    def dial(self, source: str = "") -> ssl.SSLSocket:
        """Another connection, for a client that misbehaves; an address of its own tells its lines of the log from those of others."""
        other = Client(self.addresses).connection
        other.source_address = (source, 0) if source else None  # type: ignore[attr-defined] # http.client has it
        other.connect()
        assert isinstance(other.sock, ssl.SSLSocket)
        return other.sock

    def readyz(self) -> Answer:
        return self.get("/readyz")

    def get(self, path: str) -> Answer:
        """Ask the health port."""
        url = urlsplit(self.addresses.health)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())


@contextlib.contextmanager
def in_thread(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter a context in the event loop of another thread while the block lasts."""
    loop = auto_loop_factory()()
    stop = asyncio.Event()
    entered: Future[T] = Future()

    async def hold() -> None:
        try:
            async with manager as value:
                entered.set_result(value)
                await stop.wait()
        except BaseException as error:
            if entered.done():
                raise
            entered.set_exception(error)

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(hold())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield entered.result(20)
    finally:
        if not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[Options], AbstractContextManager[Client]]:
    """A server with these options while a block lasts, and its client."""

    @contextlib.contextmanager
    def serving(options: Options) -> Iterator[Client]:
        with in_thread(running(options)) as addresses:
            client = Client(addresses)
            try:
                yield client
            finally:
                client.connection.close()

    return serving


@pytest.fixture(scope="session")
def sample() -> Callable[[str], dict[str, Any]]:
    """A review as a real API server sent it."""
    return lambda name: dict(json.loads((REVIEWS / f"{name}.json").read_bytes()))


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], object]], object]:
    """Ask until the answer is yes, for at most ten seconds."""
    return functools.partial(processes.eventually, what="what this test waits for", seconds=10)


@dataclass
class Child:
    """The server as a process of its own."""

    process: subprocess.Popen[str]
    ca: bytes
    port: int
    health_port: int

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cadata=self.ca.decode())
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)

    def begin(self) -> http.client.HTTPSConnection:
        """Send the head of a review, and return when the server has read it and waits for the body."""
        connection = self.connect()
        connection.connect()
        connection.send(
            b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")
        return connection

    def readyz(self) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            return response.status, response.read()

    def resident(self) -> float:
        """How many bytes of memory it has now, as it tells Prometheus."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            (found,) = re.findall(rb"^process_resident_memory_bytes (\S+)$", connection.getresponse().read(), re.MULTILINE)
        return float(found)

    def is_closed(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
        except ConnectionError:  # refused, or reset while it waited to be accepted
            return True
        return False


CHILD = """
import sys
from pathlib import Path
from mesh_injector import logs, server
logs.configure()
limits = server.Limits(leave_seconds=float(sys.argv[3]), certificate_seconds=0.1)
server.run(server.Options((sys.argv[1],), host="127.0.0.1", port=0, health_port=0, tls_dir=Path(sys.argv[2]), limits=limits))
"""


@pytest.fixture(scope="session")
def start() -> Callable[..., AbstractContextManager[Child]]:
    """A server as a process of its own, on a source and a TLS folder; it is killed at the end of the block if it still runs."""

    @contextlib.contextmanager
    def starting(source: Path, tls: Path, ca: bytes, leave_seconds: float = 0.3) -> Iterator[Child]:
        command = [sys.executable, "-c", CHILD, str(source), str(tls), str(leave_seconds)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
            try:
                assert started.stderr
                lines = iter(started.stderr.readline, "")
                ready = next(
                    match
                    for line in lines
                    if (match := re.fullmatch(r"ready: https://127\.0\.0\.1:(\d+)/mutate \(health on (\d+)\)\n", line))
                )
                yield Child(started, ca, int(ready[1]), int(ready[2]))
            finally:
                started.kill()

    return starting


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with one mesh."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "mesh.yaml").write_text(MESH)
    return folder


@pytest.fixture
def options(source: Path) -> Options:
    """A server on free ports of this machine."""
    return Options((str(source),), host="127.0.0.1", port=0, health_port=0)


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    """All that is logged, from debug on."""
    stream = io.StringIO()
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    logs.configure(logging.DEBUG, stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers, logging.getLogger().level = handlers, level


@pytest.fixture(scope="module")
def client(
    serve: Callable[[Options], AbstractContextManager[Client]], tmp_path_factory: pytest.TempPathFactory, log: io.StringIO
) -> Iterator[Client]:
    """A client of one server for all tests of a module."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "mesh.yaml").write_text(MESH)
    with serve(Options((str(folder),), host="127.0.0.1", port=0, health_port=0)) as made:
        yield made
