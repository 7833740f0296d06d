"""The certificate, its key and its CA as PEM: the one value that the other rooms of `certs` pass around.

The names of the files are those of a Secret of type kubernetes.io/tls, with cert-manager's `ca.crt` beside them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_injector import reasons
from mesh_injector.errors import ConfigError, Problem

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
CA: Final = "ca.crt"


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

    Raises ConfigError (UNREADABLE) that names the path. What the files hold is for `check` to judge.
    """
    ca = directory / CA
    return Pair(_bytes(directory / CERTIFICATE), _bytes(directory / KEY), _bytes(ca) if ca.exists() else b"", str(directory))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fix = f"put {CERTIFICATE}, {KEY} and, if you have it, {CA} there, readable for the user that runs this"
        what = f"the file cannot be read ({error.strerror})"
        raise ConfigError(Problem(reasons.UNREADABLE, what, str(path), fix)) from error
