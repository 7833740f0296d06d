"""What an API server would notice of restarts, new certificates and new sources while it sends reviews: nothing.

The client behaves as Go's: it keeps connections, drops one that it finds closed or that was answered with `Connection: close`, and never
sends a POST again, since it cannot know whether the first one has arrived.
"""

import contextlib
import http.client
import json
import random
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mesh_injector import certs

HOST = "127.0.0.1"
CONNECTIONS = 8
Sample = Callable[[str], dict[str, Any]]
Eventually = Callable[[Callable[[], object]], None]


@dataclass
class Load:
    """Reviews without end over some connections, each to one of the ports that are endpoints at the moment."""

    body: bytes
    trusted: bytes
    ports: list[int]
    lost: list[str] = field(default_factory=list)
    answered: int = 0
    reuse: int = 1000
    _stop: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        context = ssl.create_default_context(cadata=self.trusted.decode())
        while not self._stop.is_set():
            connection = http.client.HTTPSConnection(HOST, random.choice(self.ports), context=context, timeout=20)
            with contextlib.closing(connection):
                try:
                    self._use(connection)
                except Exception as error:  # noqa: BLE001 - whatever it is, a review was lost
                    self.lost.append(repr(error))

    def _use(self, connection: http.client.HTTPSConnection) -> None:
        connection.connect()
        for _ in range(self.reuse):
            if self._stop.is_set() or connection.sock is None or _is_closed(connection.sock):
                return
            connection.request("POST", "/mutate?timeout=20s", self.body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert (response.status, answer["response"]["auditAnnotations"]["outcome"]) == (200, "injected"), answer
            self.answered += 1

    @contextlib.contextmanager
    def while_sending(self) -> Iterator["Load"]:
        threads = [threading.Thread(target=self.send) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


def _is_closed(connection: Any) -> bool:
    """Whether the other side has closed an idle connection, as Go's background reader finds out at once."""
    connection.settimeout(0)
    try:
        return not connection.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(20)


def issue() -> certs.Pair:
    return certs.issue([HOST], datetime.now(UTC), valid=timedelta(days=1))


def put(pair: certs.Pair, folder: Path) -> None:
    """Swap a folder's content as a whole, as the kubelet does."""
    version = folder.parent / f"{folder.name}-{random.getrandbits(64):x}"
    version.mkdir()
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", pair.ca)):
        (version / name).write_bytes(content)
    link = version / "link"
    link.symlink_to(version)
    link.rename(folder)


@pytest.fixture
def body(sample: Sample) -> bytes:
    return json.dumps(sample("deployment")).encode()


def test_a_restart_with_another_replica_beside_it_loses_no_review(
    start: Any, source: Path, tmp_path: Path, body: bytes, eventually: Eventually
) -> None:
    pair = issue()
    put(pair, tmp_path / "tls")
    with start(source, tmp_path / "tls", pair.ca, 0.5) as leaving, start(source, tmp_path / "tls", pair.ca, 0.5) as staying:
        load = Load(body, pair.ca, [leaving.port, staying.port])
        with load.while_sending():
            eventually(lambda: load.answered > 100)
            leaving.process.send_signal(signal.SIGTERM)
            eventually(lambda: leaving.readyz()[0] == 503)
            load.ports = [staying.port]
            _, told = leaving.process.communicate(timeout=20)
            before = load.answered
            eventually(lambda: load.answered > before + 100)
    assert load.lost == []
    assert (leaving.process.returncode, "Traceback" in told) == (0, False)


def test_new_certificates_and_sources_under_load_lose_no_review(
    start: Any, source: Path, tmp_path: Path, body: bytes, eventually: Eventually
) -> None:
    pairs = [issue() for _ in range(5)]
    put(pairs[0], tmp_path / "tls")
    mesh = (source / "mesh.yaml").read_text()
    with start(source, tmp_path / "tls", pairs[0].ca) as child:
        load = Load(body, b"".join(pair.ca for pair in pairs), [child.port], reuse=5)
        with load.while_sending():
            for number, pair in enumerate(pairs):
                before = load.answered
                put(pair, tmp_path / "tls")
                (source / "mesh.yaml").write_text(mesh.replace("envoy:v1", f"envoy:v{number}"))
                child.process.send_signal(signal.SIGHUP)
                eventually(lambda: load.answered > before + 50)  # noqa: B023 - it is asked in this round only
        child.process.send_signal(signal.SIGTERM)
        _, told = child.process.communicate(timeout=20)
    assert load.lost == []
    assert "certificate loaded" in told
    assert (child.process.returncode, "Traceback" in told) == (0, False)
