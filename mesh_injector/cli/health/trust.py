"""The serving certificate, and whether each entry's caBundle trusts it."""

import base64
import binascii
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from mesh_injector import certs
from mesh_injector.certs import trust
from mesh_injector.certs.pair import CA, CERTIFICATE, KEY
from mesh_injector.cli.health import registered
from mesh_injector.cli.health.finding import Finding, bad, good, odd, unseen
from mesh_injector.errors import ConfigError
from mesh_injector.kube.entries import Target
from mesh_injector.kube.survey import SECRET, Survey

SOON: Final = timedelta(days=14)
_ISSUE: Final = "write one as docs/cluster.md tells"


def certificate(seen: Survey) -> Iterator[Finding]:
    """Judge the pair in the Secret, and the bundles of the entries against it."""
    answer, name = seen.answers["secret"], f"Secret {seen.home}/{SECRET}"
    if answer.error:
        yield unseen(f"the {name}", answer)
        return
    if answer.one is None:
        yield bad(f"there is no {name}", _ISSUE)
        return
    pair = _pair(answer.one, name)
    if not pair.certificate or not pair.key:
        yield bad(f"the {name} holds no {CERTIFICATE} and {KEY}: API servers trust no replica", _ISSUE)
        return
    try:
        certs.check(pair, seen.at)
    except ConfigError as error:
        yield bad(f"{error.problem.what} ({error.problem.where})", error.problem.fix)
        return
    yield _life(pair, seen)
    yield from _bundles(pair, seen)


def _pair(secret: dict[str, Any], origin: str) -> certs.Pair:
    data = secret.get("data") or {}
    found = {file: _decoded(data.get(file)) for file in (CERTIFICATE, KEY, CA)}
    return certs.Pair(found[CERTIFICATE], found[KEY], found[CA], origin)


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text or ""))
    except binascii.Error:
        return b""


def _life(pair: certs.Pair, seen: Survey) -> Finding:
    end = certs.expires(pair)
    told = f"the certificate is valid until {end:%Y-%m-%dT%H:%M:%SZ}"
    return odd(f"{told}, less than {SOON.days} days", f"renew it; or {_ISSUE}") if end - seen.at < SOON else good(told)


def _bundles(pair: certs.Pair, seen: Survey) -> Iterator[Finding]:
    """Judge each distinct bundle once: all entries have the same, unless somebody changed one."""
    found: dict[bytes, list[str]] = {}
    for entry in registered.ours(seen):
        if "service" in entry["clientConfig"]:
            found.setdefault(_decoded(entry["clientConfig"].get("caBundle")), []).append(entry["name"])
    for bundle, names in found.items():
        told = f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}"
        if why := _distrust(pair, bundle, seen):
            fix = f"write the CA that signed it into {CA} of the Secret {SECRET}; the leader puts it into every entry"
            yield bad(f"API servers will not trust the certificate by the caBundle of {told}: {why}", fix)
        else:
            yield good(f"the caBundle of {told} trusts the certificate")


def _distrust(pair: certs.Pair, bundle: bytes, seen: Survey) -> str:
    if not bundle:
        return "it is empty"
    try:
        return trust.distrust(pair.certificate, bundle, Target(namespace=seen.home).host, seen.at)
    except ValueError:
        return "it holds no certificate"
