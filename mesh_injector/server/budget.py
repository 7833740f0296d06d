"""How long a review may take: the timeout that the API server says in the URL, less what the way back needs.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

DEFAULT_SECONDS: Final = 10.0
"""`timeoutSeconds` of a webhook that says nothing."""
_MOST_SECONDS: Final = 30.0
_MARGIN_SECONDS: Final = 0.5
_LONGEST: Final = 256
"""A query that is longer is not read, and not remembered: it may be 64 KiB."""
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h))+")
_PART: Final = re.compile(r"([\d.]+)(ms|s|m|h)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(query: bytes) -> float:
    """The time for a review whose URL has this query: its `timeout` in Go's notation less half a second, at least half of it.

    A timeout that is absent or not understood is 10 s, the default of Kubernetes: refusing a review for it would help nobody.
    """
    return _read(query if len(query) < _LONGEST else b"")


@lru_cache(maxsize=64)
def _read(query: bytes) -> float:
    asked = parse_qs(query.decode("latin-1"), max_num_fields=None).get("timeout", [""])[0]
    timeout = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(asked)) if _DURATION.fullmatch(asked) else 0.0
    timeout = min(timeout or DEFAULT_SECONDS, _MOST_SECONDS)
    return max(timeout - _MARGIN_SECONDS, timeout / 2)
