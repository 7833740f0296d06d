"""The certificate, its key and its CA as PEM: the one value that the other rooms of `certs` pass around.

The names of the files are those of a Secret of type kubernetes.io/tls, with cert-manager's `ca.crt` beside them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_injector import opening, reasons
from mesh_injector.errors import ConfigError, Problem

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
CA: Final = "ca.crt"
LIMIT_BYTES: Final = 1024 * 1024
"""The largest file of certificates that is read: a Secret holds no more (kubernetes.io/docs/concepts/configuration/secret)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM bytes: the server's own certificate and its intermediates, the private key, and the CA bundle (empty if unknown).

    `origin` is the folder or object the three came from, for messages only.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    ca: bytes = b""
    origin: str = field(default="", compare=False)

    def wrong(self, file: str, what: str, fix: str) -> ConfigError:
        """The error that says what is wrong in one of the three files."""
        where = f"{self.origin}/{file}" if self.origin else file
        return ConfigError(Problem(reasons.CERTIFICATE_INVALID, what, where, fix))


def read(directory: Path) -> Pair:
    """The pair in a folder: `tls.crt`, `tls.key` and, if it is there, `ca.crt`.

    Raises ConfigError (UNREADABLE) that names the path, also of a pipe and of what is above `LIMIT_BYTES`. What the files hold is for
    `check` to judge.
    """
    ca = directory / CA
    return Pair(_bytes(directory / CERTIFICATE), _bytes(directory / KEY), _bytes(ca) if ca.exists() else b"", str(directory))


def _bytes(path: Path) -> bytes:
    fix = f"put {CERTIFICATE}, {KEY} and, if you have it, {CA} there, readable for the user that runs this"
    return opening.read(str(path), LIMIT_BYTES, fix)
