"""Clients that are no API servers: those without the right certificate, with broken TLS, and very many of them; a line of log for each."""

import contextlib
import http.client
import io
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from mesh_injector import certs
from mesh_injector.server import Limits, Options

HOST = "127.0.0.1"
KEPT_BYTES = 16 * 1024 * 1024
HEAD = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
Sample = Callable[[str], dict[str, Any]]
Serve = Callable[[Options], AbstractContextManager[Any]]
Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def guarded(serve: Serve, options: Options, authority: trustme.CA, tmp_path: Path, log: io.StringIO) -> Iterator[Any]:
    """A server that lets in only who has a certificate of the authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "client-ca.crt"))
    with serve(replace(options, client_ca=tmp_path / "client-ca.crt", limits=Limits(drain_seconds=1))) as client:
        yield client


def context_of(client: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=client.addresses.ca.decode())


def review(client: Any, context: ssl.SSLContext, sample: Sample) -> int:
    connection = http.client.HTTPSConnection(HOST, client.connection.port, context=context, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/mutate", b"{}", {"Content-Type": "application/json"})
        return connection.getresponse().status


def test_with_a_client_ca_whoever_has_its_certificate_is_let_in(guarded: Any, authority: trustme.CA, sample: Sample) -> None:
    context = context_of(guarded)
    authority.issue_cert("kube-apiserver").configure_cert(context)
    assert review(guarded, context, sample) == 400


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_with_a_client_ca_nobody_else_is_let_in_and_the_line_says_why(
    guarded: Any, sample: Sample, log: io.StringIO, eventually: Eventually, who: str
) -> None:
    context, before = context_of(guarded), len(log.getvalue())
    if who == "stranger":
        trustme.CA().issue_cert("kube-apiserver").configure_cert(context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        review(guarded, context, sample)
    eventually(lambda: guarded.readyz() and "a client did not begin TLS" in log.getvalue()[before:])
    assert ("PEER_DID_NOT_RETURN_A_CERTIFICATE" if who == "nobody" else "CERTIFICATE_VERIFY_FAILED") in log.getvalue()[before:]
    assert log.getvalue()[before:].count("did not begin TLS") == 1


def test_a_client_that_does_not_trust_the_certificate_is_told_in_a_line(client: Any, log: io.StringIO, eventually: Eventually) -> None:
    """The most common mistake of all: a `caBundle` that does not fit."""
    before = len(log.getvalue())
    with socket.create_connection((HOST, client.connection.port)) as raw, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(raw, server_hostname=HOST)
    eventually(lambda: client.readyz() and "UNKNOWN_CA" in log.getvalue()[before:])


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a hello"])
def test_a_client_that_does_not_come_to_an_end_with_tls_is_closed(serve: Serve, options: Options, sample: Sample, sent: bytes) -> None:
    with serve(replace(options, limits=Limits(handshake_seconds=0.3, drain_seconds=1))) as client:
        with socket.create_connection((HOST, client.connection.port), timeout=10) as slow:
            slow.sendall(sent)
            with contextlib.suppress(ConnectionError):
                while slow.recv(1000):
                    pass
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"


def test_many_idle_connections_do_not_lock_others_out(serve: Serve, options: Options, sample: Sample, log: io.StringIO) -> None:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(serve(replace(options, limits=Limits(connections=40, drain_seconds=1, handshake_seconds=0.5))))
        for _ in range(120):
            stack.enter_context(client.dial())
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
    assert "Traceback" not in log.getvalue()


@pytest.mark.parametrize("how", ["half-closed", "reset", "gone without a word"])
@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"Content-Length: 10\r\n\r\n{", HEAD + b"Content-Length: 2\r\n\r\n{}"])
def test_clients_that_end_in_the_middle_leave_nothing_behind(client: Any, sample: Sample, log: io.StringIO, sent: bytes, how: str) -> None:
    ways = ("half-closed", "reset", "gone without a word")
    source = f"127.0.1.{1 + ways.index(how) * 80 + len(sent) % 79}"
    before = len(log.getvalue())
    connection = client.dial(source)
    connection.sendall(sent)
    if how == "half-closed":
        connection.shutdown(socket.SHUT_WR)
    elif how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
    assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
    told = log.getvalue()[before:]
    assert "Traceback" not in told
    assert sum(f"client={source}" in line for line in told.splitlines()) <= 1, told


@pytest.fixture
def child(start: Callable[..., AbstractContextManager[Any]], source: Path, tmp_path: Path) -> Iterator[Any]:
    """A server whose memory is its own."""
    pair = certs.issue([HOST], datetime.now(UTC))
    (tmp_path / "tls").mkdir()
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", pair.ca)):
        (tmp_path / "tls" / name).write_bytes(content)
    with start(source, tmp_path / "tls", pair.ca) as started:
        yield started


def is_answered(child: Any, sample: Sample) -> bool:
    with contextlib.closing(child.connect()) as connection:
        connection.request("POST", "/mutate", json.dumps(sample("deployment")), {"Content-Type": "application/json"})
        return b"JSONPatch" in connection.getresponse().read()


def test_three_hundred_idle_connections_within_the_bound_stay_and_are_in_nobodys_way(child: Any, sample: Sample) -> None:
    assert Limits().connections > 300
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(contextlib.closing(child.connect())) for _ in range(300)]
        for connection in idle:
            connection.connect()
        assert all(is_answered(child, sample) for _ in range(20))
        for connection in (idle[0], idle[-1]):
            connection.request("POST", "/mutate", b"{}", {"Content-Type": "application/json"})
            assert connection.getresponse().status == 400


def test_a_flood_of_strangers_does_not_flood_the_log(client: Any, log: io.StringIO) -> None:
    before = len(log.getvalue())
    for _ in range(200):
        assert client.request("POST", "/nothing").status == 404
    assert 0 < log.getvalue()[before:].count("not a review") <= 20


def test_requests_that_come_faster_than_answers_go_do_not_pile_up(child: Any, sample: Sample) -> None:
    """A hundred thousand requests, each as short as can be, in one go: kept, they would take some hundred megabytes."""
    assert is_answered(child, sample)
    before = child.resident()
    with contextlib.closing(child.connect()) as connection:
        connection.connect()
        connection.sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ssl.SSLError):
            for _ in range(200):
                connection.sock.sendall((HEAD + b"Content-Length: 0\r\n\r\n") * 500)  # nobody reads answers: this stands still at some time
        assert child.resident() - before < KEPT_BYTES
        assert is_answered(child, sample)


def test_two_hundred_megabytes_are_refused_without_being_kept(child: Any, sample: Sample) -> None:
    assert is_answered(child, sample)
    before, most = child.resident(), 0.0
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with contextlib.closing(child.connect()) as connection, contextlib.suppress(ConnectionError, ssl.SSLError):
        connection.connect()
        connection.sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(200 * 16):
            connection.sock.sendall(chunk)
            if number % 64 == 0:
                most = max(most, child.resident())
    assert 0 < most - before < KEPT_BYTES
    assert is_answered(child, sample)


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "not PEM"])
def test_a_client_ca_that_cannot_be_used_is_told_with_its_file(
    serve: Serve, options: Options, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "client-ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Exception, match=r"\[MI(106|601)\] .*client-ca\.crt"), serve(replace(options, client_ca=path)):
        pass
