"""What an unknown field name may have meant: a field that is written alike, or the same name where it belongs.

It knows only names and places, a place being the names of the fields that lead to an object: `("spec", "containers")` is a container.
"""

import difflib
import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Place: TypeAlias = tuple[str, ...]


def alike(name: str, fields: Iterable[str], required: Sequence[str]) -> str:
    """The field that is written like `name`, or the one (best a required one) that ends in it: `path` for `mountPath`; else empty."""
    lowered = {known.lower(): known for known in fields}
    if close := difflib.get_close_matches(name.lower(), lowered, 1, 0.75):
        return lowered[close[0]]
    endings = [known for known in lowered.values() if known.endswith(name[:1].upper() + name[1:])]
    best = [known for known in endings if known in required] or endings
    return best[0] if len(best) == 1 else ""


def distance(here: Place, there: Place) -> int:
    """The steps up and down from one place to another."""
    shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False)))
    return len(here) + len(there) - 2 * shared


def home(here: Place, places: Sequence[Place]) -> str:
    """The places nearest to `here`, at most three, in words: "a container", "`spec.securityContext`"."""
    least = min(distance(here, place) for place in places)
    nearest = dict.fromkeys(_told(place) for place in places if distance(here, place) == least)
    return " or ".join(list(nearest)[:3])


def _told(place: Place) -> str:
    if place[:2] in (("spec", "containers"), ("spec", "initContainers")):
        return f"`{'.'.join(place[2:])}` of a container" if place[2:] else "a container"
    return f"`{'.'.join(place)}`" if place else "the top of the template"
