"""What a text of a pod may look like: names, keys, paths and addresses, as Kubernetes' validation has them.

Source: https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/apis/core/validation/validation.go and the packages it calls. Where
Kubernetes is lax, so are we: refusing what it accepts is worse than missing something.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mesh_injector.engine import selector

_SPACE: Final = "\t\n\v\f\r \x85\xa0"
_SUBDOMAIN: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\Z")
_SEARCH: Final = re.compile(r"[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?(?:\.[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?)*\Z")
_SYSCTL: Final = re.compile(r"(?:[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Grammar:
    """Whether a text is right, what to say if it is not (after the text itself), and how to mend it."""

    holds: Callable[[str], bool]
    what: str
    fix: str


def _like(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern + r"\Z")
    return lambda text: compiled.match(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether a text is a DNS subdomain (RFC 1123) of at most 253 characters."""
    return len(text) <= 253 and _SUBDOMAIN.match(text) is not None


def _is_name_prefix(text: str) -> bool:
    """The names in `envFrom` are checked as prefixes of names, which may end in `-`."""
    return is_subdomain(text[:-1] + "a" if text.endswith("-") else text)


def _is_key(text: str) -> bool:
    return len(text) <= 253 and re.match(r"[-._a-zA-Z0-9]+\Z", text) is not None and text != "." and not text.startswith("..")


def _has_no_backsteps(text: str) -> bool:
    return ".." not in text.split("/")


def _is_descending(text: str) -> bool:
    return not text.startswith("/") and _has_no_backsteps(text)


def _is_local(text: str) -> bool:
    return _is_descending(text) and not text.startswith("..")


def _is_address(text: str) -> bool:
    """An IP address; leading zeros are taken, because not every API server is strict."""
    plain = re.sub(r"(?<![0-9a-fA-F:])0+(?=[0-9])", "", text) if "." in text else text
    try:
        return "%" not in text and bool(ipaddress.ip_address(plain))
    except ValueError:
        return False


def _is_search(text: str) -> bool:
    plain = text.removesuffix(".")
    return text == "." or (len(plain) <= 253 and _SEARCH.match(plain) is not None)


def _is_sysctl(text: str) -> bool:
    return len(text) <= 253 and _SYSCTL.match(text) is not None


def _is_finalizer(text: str) -> bool:
    return text in ("kubernetes", "orphan", "foregroundDeletion") or ("/" in text and selector.is_label_key(text))


def is_qualified(text: str) -> bool:
    """Whether a text is a qualified name as annotations have it: the prefix may have capitals."""
    return selector.is_label_key(text.lower())


DNS_LABEL: Final = Grammar(
    _like(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"),
    "is no DNS label (RFC 1123)",
    "use at most 63 of a-z, 0-9 and `-`, as `|dns_label` makes it",
)
SUBDOMAIN: Final = Grammar(is_subdomain, "is no DNS subdomain (RFC 1123)", "use at most 253 of a-z, 0-9, `-` and `.`")
NAME_PREFIX: Final = Grammar(_is_name_prefix, SUBDOMAIN.what, SUBDOMAIN.fix)
PORT_NAME: Final = Grammar(
    _like(r"(?=.{1,15}\Z)(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"),
    "is no port name (RFC 6335)",
    "use at most 15 of a-z, 0-9 and `-`, with at least one letter",
)
ENV_NAME: Final = Grammar(_like(r"[\x20-\x3c\x3e-\x7e]+"), "is no name of a variable", "use printable ASCII without `=`")
KEY: Final = Grammar(_is_key, "is no key of a ConfigMap or Secret", "use at most 253 letters, digits, `-`, `_` and `.`")
HEADER: Final = Grammar(_like("[-A-Za-z0-9]+"), "is no name of an HTTP header", "use letters, digits and `-`")
LABEL_KEY: Final = Grammar(selector.is_label_key, "is no label key", "use `[prefix/]name` of letters, digits, `-`, `_`, `.`")
LABEL_VALUE: Final = Grammar(selector.is_label_value, "is no label value", "use at most 63 letters, digits, `-`, `_`, `.`")
QUALIFIED: Final = Grammar(selector.is_label_key, "is no qualified name", "use `[prefix/]name` of letters, digits, `-`, `_`, `.`")
FINALIZER: Final = Grammar(_is_finalizer, "is no finalizer", "write it with its domain: `example.com/name`")
DESCENDING: Final = Grammar(_is_descending, "leads out of its volume", "write a relative path without `..`")
LOCAL: Final = Grammar(_is_local, "leads out of its volume", "write a relative path that does not begin with `..`")
NO_BACKSTEPS: Final = Grammar(_has_no_backsteps, "goes up by `..`", "write the path without `..`")
ADDRESS: Final = Grammar(_is_address, "is no IP address", "write an address such as 10.0.0.1 or ::1")
ABSOLUTE: Final = Grammar(lambda text: text.startswith("/"), "is no absolute path", "begin it with `/`")
CSI_DRIVER: Final = Grammar(
    lambda text: len(text) <= 63 and is_subdomain(text.lower()), "is no name of a CSI driver", "use at most 63 letters, digits, `-` and `.`"
)
V1: Final = Grammar(lambda text: text == "v1", "is no version of a pod", "write v1, or leave it out")
SEARCH: Final = Grammar(_is_search, "is no search domain", "use at most 253 of a-z, 0-9, `-`, `_` and `.`")
SYSCTL: Final = Grammar(_is_sysctl, "is no sysctl", "write a name such as net.ipv4.tcp_syncookies")
UNPADDED: Final = Grammar(lambda text: text == text.strip(_SPACE), "has white space around it", "remove the white space")
