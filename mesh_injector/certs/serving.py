"""The TLS context of the server, and putting a new pair into it while it serves.

The private key never becomes a file: OpenSSL reads it from memory where the system has a way to do that.
"""

import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mesh_injector import opening, reasons
from mesh_injector.certs import validity
from mesh_injector.certs.pair import CERTIFICATE, KEY, LIMIT_BYTES, Pair
from mesh_injector.errors import ConfigError, Problem


class ServingContext(ssl.SSLContext):
    """A server's context that knows the algorithm of its key, an object identifier.

    OpenSSL keeps one certificate for each algorithm, so that a pair of another algorithm would stand beside the old one, which
    clients would still get, and never replace it.
    """

    algorithm: str = ""


def context(pair: Pair | None, client_ca: Path | None = None) -> ServingContext:
    """A context for a server: TLS 1.2 or newer, HTTP/1.1 (RFC 7301). With `client_ca`, a file of certificates in PEM, only clients
    that one of them has signed are let in (RFC 8446 section 4.3.2). Without a pair no handshake succeeds until one is loaded.

    Raises ConfigError (CERTIFICATE_INVALID) where OpenSSL cannot use the pair; `check` tells the reasons better. Raises ConfigError
    (UNREADABLE, CERTIFICATE_INVALID) where the file cannot be used.
    """
    made = ServingContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if pair is not None:
        _load(made, pair)
        made.algorithm = _algorithm(pair)
    if client_ca is not None:
        made.load_verify_locations(cadata=_client_ca(client_ca))
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def reload(live: ServingContext, pair: Pair) -> None:
    """Let new connections of `live` see a new pair; the open ones go on.

    Call it in the thread that accepts connections: a handshake in between would find the new certificate with the old key.
    Raises ConfigError (CERTIFICATE_INVALID) where the pair cannot be used, and leaves the old one serving.
    """
    algorithm = context(pair).algorithm
    if live.algorithm not in ("", algorithm):
        fix = "renew it with a key of the same kind, or restart the server"
        raise pair.wrong(KEY, "the key is of another kind than the one in use", fix)
    _load(live, pair)
    live.algorithm = algorithm


def _client_ca(path: Path) -> str:
    """The certificates of a file, each of them read once: OpenSSL would pass over what follows one that it cannot read."""
    fix = "name a file with the certificate of the CA that signs the API server's client certificate"
    pem = opening.read(str(path), LIMIT_BYTES, fix)
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        fix = "write certificates that begin with -----BEGIN CERTIFICATE-----"
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, "the file holds no certificate in PEM", str(path), fix)) from error
    return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)


def _algorithm(pair: Pair) -> str:
    return validity.own(pair).public_key_algorithm_oid.dotted_string


def _load(target: ssl.SSLContext, pair: Pair) -> None:
    with _file(pair.certificate) as certificate, _file(pair.key) as key:
        try:
            # Without a password OpenSSL would ask for one on the terminal and wait.
            target.load_cert_chain(certificate, key, password="")
        except ssl.SSLError as error:
            what = f"OpenSSL cannot use the pair ({error.reason or 'not PEM'})"
            raise pair.wrong(CERTIFICATE, what, f"put a certificate and its own unencrypted key into {CERTIFICATE} and {KEY}") from error


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path where OpenSSL finds `content` while the block lasts."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("tls"), "wb", buffering=0) as file:
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(buffering=0) as file:
            file.write(content)
            yield file.name
