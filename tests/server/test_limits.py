"""Connections that are slow, silent, too many or too talkative, on a real server with small bounds."""

import contextlib
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from mesh_injector.server import Limits, Options
from mesh_injector.server.limits import HEAD_BYTES, MESSAGE_BYTES

HEAD = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
Sample = Callable[[str], dict[str, Any]]
Serve = Callable[[Options], AbstractContextManager[Any]]


def end(connection: ssl.SSLSocket) -> bytes:
    """What comes until the server ends the connection, politely or not."""
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := connection.recv(65536):
            received += data
    return received


def test_an_idle_connection_outlives_that_of_an_api_server() -> None:
    assert Limits().keep_alive_seconds > 95


def test_draining_ends_after_the_slowest_request_and_before_kubernetes_kills() -> None:
    assert Limits().message_seconds < Limits().drain_seconds < 30


@pytest.mark.parametrize("sent", [b"P", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n"])
def test_a_slow_client_is_cut_off_and_an_idle_one_is_not(serve: Serve, options: Options, sample: Sample, sent: bytes) -> None:
    with serve(replace(options, limits=Limits(message_seconds=0.2, drain_seconds=1))) as client:
        client.review(sample("deployment"))
        idle = client.connection.sock
        began = time.monotonic()
        with client.dial() as slow:
            slow.sendall(sent)
            assert end(slow) == b""
        assert 0.2 <= time.monotonic() - began < 5
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
        assert client.connection.sock is idle


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["silent", "blank lines"])
def test_a_client_that_never_begins_a_request_is_closed(serve: Serve, options: Options, sent: bytes) -> None:
    with (
        serve(replace(options, limits=Limits(message_seconds=0.2, keep_alive_seconds=1, drain_seconds=1))) as client,
        client.dial() as silent,
    ):
        silent.sendall(sent)
        assert end(silent) == b""


def test_a_client_that_drips_is_cut_off_in_time(serve: Serve, options: Options) -> None:
    with serve(replace(options, limits=Limits(message_seconds=0.3, drain_seconds=1))) as client, client.dial() as slow:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            slow.sendall(HEAD)
            while time.monotonic() - began < 5:
                slow.sendall(b"X-Drip: 1\r\n")
        assert time.monotonic() - began < 5


def test_headers_without_end_are_cut_off(serve: Serve, options: Options, sample: Sample) -> None:
    with serve(options) as client, client.dial() as talker:
        sent = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            talker.sendall(HEAD)
            while sent < 64 * HEAD_BYTES:
                talker.sendall(b"X-Talk: " + b"a" * 8000 + b"\r\n")
                sent += 8000
        assert sent < 64 * HEAD_BYTES
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"


def test_a_body_without_end_is_answered_and_then_cut_off(serve: Serve, options: Options, sample: Sample) -> None:
    with serve(options) as client, client.dial() as talker:
        sent = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            talker.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            while sent < 2 * MESSAGE_BYTES:
                talker.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
        assert sent < 2 * MESSAGE_BYTES
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"


def begin(connection: ssl.SSLSocket, body: bytes = b"") -> None:
    """Send the head of a request, and return when the server has read it and waits for the body."""
    connection.sendall(HEAD + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body)


def test_of_too_many_connections_the_one_that_was_idle_for_longest_is_closed(serve: Serve, options: Options, sample: Sample) -> None:
    with serve(replace(options, limits=Limits(connections=3, drain_seconds=1))) as client, client.dial() as oldest, client.dial() as busy:
        begin(busy)
        client.review(sample("deployment"))
        mine = client.connection.sock
        with client.dial() as newest:
            assert end(oldest) == b""
            newest.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            assert newest.recv(100).startswith(b"HTTP/1.1 400 ")
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
        assert client.connection.sock is mine
        busy.sendall(b"{}".ljust(1_000_000))
        assert busy.recv(100).startswith(b"HTTP/1.1 400 ")


def test_where_all_connections_are_slow_the_slowest_one_gives_way(serve: Serve, options: Options, sample: Sample) -> None:
    with serve(replace(options, limits=Limits(connections=2, drain_seconds=1))) as client, client.dial() as slowest, client.dial() as slow:
        begin(slowest)
        begin(slow)
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
        assert end(slowest) == b""


def test_clients_that_hold_much_memory_without_coming_to_an_end_are_cut_off(serve: Serve, options: Options, sample: Sample) -> None:
    limits = Limits(held_bytes=100_000, drain_seconds=1)
    with serve(replace(options, limits=limits)) as client, client.dial() as slowest, client.dial() as slow:
        begin(slowest, b" " * 60_000)
        begin(slow, b" " * 60_000)
        assert end(slowest) == b""
        assert client.review(sample("deployment"))["patchType"] == "JSONPatch"


def test_clients_that_vanish_hold_no_memory(serve: Serve, options: Options, sample: Sample) -> None:
    with serve(replace(options, limits=Limits(held_bytes=1_050_000, drain_seconds=1))) as client:
        for _ in range(3):
            with client.dial() as gone:
                begin(gone, b" " * 60_000)
            client.review(sample("deployment"))
        with client.dial() as last:
            begin(last, b" " * 60_000)
            client.review(sample("deployment"))
            last.sendall(b" " * 940_000)
            assert last.recv(100).startswith(b"HTTP/1.1 400 ")


def test_reviews_that_were_answered_hold_no_memory(serve: Serve, options: Options, sample: Sample) -> None:
    with serve(replace(options, limits=Limits(held_bytes=50_000, drain_seconds=1))) as client:
        for _ in range(20):
            assert client.review(sample("deployment"))["patchType"] == "JSONPatch"


def test_requests_that_come_together_are_all_answered(serve: Serve, options: Options) -> None:
    request = HEAD + b"Content-Length: 2\r\n\r\n{}"
    with serve(options) as client, client.dial() as connection:
        connection.sendall(request * 2000)
        with connection.makefile("rb") as answers:
            count = 0
            while count < 2000:
                count += answers.readline().startswith(b"HTTP/1.1 400 ")
