"""Real handshakes on the loopback: who is believed, who is refused, and what a change of certificates does to connections."""

import asyncio
import contextlib
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh_injector import certs, reasons
from mesh_injector.errors import ConfigError

HOSTS = ["localhost", "127.0.0.1"]
ENCRYPTED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
)


def issue(*hosts: str) -> certs.Pair:
    return certs.issue(hosts or HOSTS, datetime.now(UTC), valid=timedelta(hours=1))


def client(pair: certs.Pair) -> ssl.SSLContext:
    """A client as strict as Python 3.13 makes them: RFC 5280 to the letter."""
    made = ssl.create_default_context(cadata=pair.ca.decode())
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.set_alpn_protocols(["h2", "http/1.1"])
    return made


class Connection:
    """One connection to an echo: what the server showed, and whether it still talks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    @property
    def leaf(self) -> str:
        return ssl.DER_cert_to_PEM_cert(self.tls.getpeercert(binary_form=True) or b"")

    async def echo(self, line: bytes) -> bytes:
        self.writer.write(line)
        return await self.reader.readline()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@contextlib.asynccontextmanager
async def server(context: ssl.SSLContext) -> AsyncIterator[int]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context) as running:
        yield running.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def connect(port: int, context: ssl.SSLContext, host: str = "localhost") -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def leaf(port: int, context: ssl.SSLContext) -> str:
    async with connect(port, context) as connection:
        return connection.leaf


def normal(pem: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem.decode()))


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_that_trusts_the_ca_believes_the_server(host: str) -> None:
    pair = issue()

    async def run() -> None:
        async with server(certs.context(pair)) as port, connect(port, client(pair), host) as connection:
            assert connection.leaf == normal(pair.certificate)
            assert await connection.echo(b"hello\n") == b"hello\n"
            assert connection.tls.selected_alpn_protocol() == "http/1.1"

    asyncio.run(run())


def test_a_client_that_wants_another_host_refuses_the_server() -> None:
    pair = issue("localhost")

    async def run() -> None:
        async with server(certs.context(pair)) as port:
            with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere'"):
                async with connect(port, client(pair), "elsewhere"):
                    pass

    asyncio.run(run())


def test_a_client_that_trusts_another_ca_refuses_the_server() -> None:
    judge = ssl.create_default_context()
    trustme.CA().configure_trust(judge)

    async def run() -> None:
        async with server(certs.context(issue())) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                async with connect(port, judge):
                    pass

    asyncio.run(run())


def test_a_chain_of_another_authority_is_served_whole() -> None:
    root = trustme.CA()
    issued = root.create_child_ca().issue_cert("localhost")
    pair = certs.Pair(b"".join(blob.bytes() for blob in issued.cert_chain_pems), issued.private_key_pem.bytes(), root.cert_pem.bytes())

    async def run() -> None:
        async with server(certs.context(pair)) as port, connect(port, client(pair)) as connection:
            assert await connection.echo(b"hello\n") == b"hello\n"

    asyncio.run(run())


def test_no_version_below_tls_1_2_is_spoken() -> None:
    assert certs.context(issue()).minimum_version == ssl.TLSVersion.TLSv1_2


def test_after_a_reload_new_connections_see_the_new_leaf_and_old_ones_go_on() -> None:
    old, new = issue(), issue()

    async def run() -> None:
        context = certs.context(old)
        async with server(context) as port, connect(port, client(old)) as before:
            certs.reload(context, new)
            assert await leaf(port, client(new)) == normal(new.certificate)
            assert before.leaf == normal(old.certificate)
            assert await before.echo(b"still here\n") == b"still here\n"
            with pytest.raises(ssl.SSLCertVerificationError):
                await leaf(port, client(old))

    asyncio.run(run())


def test_a_pair_that_does_not_match_is_refused_and_the_old_one_keeps_serving() -> None:
    old, other = issue(), issue()

    async def run() -> None:
        context = certs.context(old)
        async with server(context) as port:
            with pytest.raises(ConfigError) as error:
                certs.reload(context, replace(other, key=old.key, origin="/etc/tls"))
            assert error.value.problem.code == reasons.CERTIFICATE_INVALID
            assert error.value.problem.where == "/etc/tls/tls.crt"
            assert await leaf(port, client(old)) == normal(old.certificate)

    asyncio.run(run())


@pytest.mark.parametrize("key", [b"", b"nonsense", ENCRYPTED, issue().key])
def test_a_key_that_cannot_be_used_makes_no_context(key: bytes) -> None:
    with pytest.raises(ConfigError, match="MI601"):
        certs.context(replace(issue(), key=key))


def test_a_certificate_that_cannot_be_used_makes_no_context() -> None:
    with pytest.raises(ConfigError, match="MI601"):
        certs.context(replace(issue(), certificate=b"nonsense"))


def test_a_pair_with_another_kind_of_key_is_refused_because_the_old_one_would_still_be_served() -> None:
    old = issue()
    issued = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("localhost", key_type=trustme.KeyType.RSA)
    other = certs.Pair(issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes())

    async def run() -> None:
        context = certs.context(old)
        async with server(context) as port:
            with pytest.raises(ConfigError, match="another kind"):
                certs.reload(context, other)
            assert await leaf(port, client(old)) == normal(old.certificate)

    asyncio.run(run())


def test_no_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    certs.reload(certs.context(issue()), issue())
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_client_ca_that_is_a_pipe_or_above_the_limit_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**20 + 1)
    for name, what in (("pipe", "it is no regular file"), ("large", "it is larger than 1 MiB"), ("none", "No such file")):
        with pytest.raises(ConfigError) as error:
            certs.context(None, tmp_path / name)
        problem = error.value.problem
        assert (problem.code, problem.where) == (reasons.UNREADABLE, str(tmp_path / name))
        assert (what in problem.what, "CA that signs" in problem.fix) == (True, True)
