"""The Secret of the serving certificate: what its entries mean, and whose it is. Pure.

It is one of three: empty, which the leader fills; ours, as an annotation says; or somebody else's, which is read and never written.
Source: https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets and https://cert-manager.io/docs/usage/certificate/
"""

import base64
import binascii
from datetime import datetime
from typing import Any, Final

from mesh_injector import reasons
from mesh_injector.certs import validity
from mesh_injector.certs.pair import CA, CERTIFICATE, KEY, Pair
from mesh_injector.certs.rotation import Kept, Wish
from mesh_injector.errors import ConfigError, Problem
from mesh_injector.kube.resource import Object, Resource

SECRETS: Final = Resource("api/v1", "secrets", "Secret")
SIGNER_KEY: Final = "ca.key"
MANAGED: Final = "mesh-injector.io/certificate"
"""The annotation that the leader writes with the first pair: `self-managed`. Who takes it away takes the Secret over."""
SELF_MANAGED: Final = "self-managed"
RENEW: Final = "mesh-injector.io/renew"
"""The annotation by which a user asks for a new certificate (`leaf`) or for a new CA and then a new certificate (`ca`)."""
_OTHERS: Final = "cert-manager.io/"


def pair(body: Object) -> Pair:
    """The pair of a Secret. Raises ConfigError (CERTIFICATE_INVALID) where an entry is missing or no base64."""
    where = origin(body)
    data = _data(body)
    missing = [name for name in (CERTIFICATE, KEY) if not data.get(name)]
    if missing:
        what, fix = f"the Secret has no {' and no '.join(missing)}", "let the leader fill an empty one, or put a pair and its ca.crt there"
        raise ConfigError(Problem(reasons.CERTIFICATE_INVALID, what, where, fix))
    return _pair(data, where)


def wrong(body: Object, at: datetime) -> Problem | None:
    """What keeps a Secret's pair from serving; None where nothing does."""
    try:
        validity.check(pair(body), at)
    except ConfigError as error:
        return error.problem
    return None


def kept(body: Object) -> Kept:
    """What the leader goes on from: as much as can be read."""
    data = _data(body)
    asked = _annotations(body).get(RENEW, "")
    return Kept(_pair(data, origin(body)), data.get(SIGNER_KEY, b""), Wish(asked) if asked in tuple(Wish) else Wish.NOTHING)


def is_ours(body: Object) -> bool:
    """Whether the leader may write it: it is empty, or marked as ours, and not one that cert-manager has written."""
    annotations = _annotations(body)
    if any(str(name).startswith(_OTHERS) for name in annotations):
        return False
    return annotations.get(MANAGED) == SELF_MANAGED or not body.get("data")


def written(body: Object, made: Kept) -> Object:
    """The Secret with what is to be kept, for exactly the version that was read; entries and annotations of others stay."""
    annotations = {name: value for name, value in _annotations(body).items() if name != RENEW}
    annotations |= {MANAGED: SELF_MANAGED} | ({RENEW: made.wish.value} if made.wish else {})
    entries = {CERTIFICATE: made.pair.certificate, KEY: made.pair.key, CA: made.pair.ca, SIGNER_KEY: made.signer_key}
    data = {name: base64.b64encode(content).decode() for name, content in entries.items()}
    before = body.get("data")
    return body | {
        "metadata": body["metadata"] | {"annotations": annotations},
        "data": (before if isinstance(before, dict) else {}) | data,
    }


def origin(body: Object) -> str:
    """How messages name it."""
    metadata = body["metadata"]
    return f"Secret {metadata.get('namespace', '')}/{metadata['name']}"


def _pair(data: dict[str, bytes], where: str) -> Pair:
    return Pair(data.get(CERTIFICATE, b""), data.get(KEY, b""), data.get(CA, b""), where)


def _annotations(body: Object) -> dict[str, Any]:
    found = body["metadata"].get("annotations")
    return found if isinstance(found, dict) else {}


def _data(body: Object) -> dict[str, bytes]:
    """The entries in bytes, those that can be decoded."""
    found: dict[str, bytes] = {}
    entries = body.get("data")
    for name, text in (entries if isinstance(entries, dict) else {}).items():
        try:
            found[name] = base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError):
            continue
    return found
