"""What the path of a review tells, and who compares it with what this replica knows: the API server is a witness, never the judge."""

import re
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from mesh_injector.admission import AdmissionRequest
from mesh_injector.errors import InjectionError

_LABEL: Final = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_PATH: Final = re.compile(rf"/mutate(?:/(?P<namespace>{_LABEL})(?:/(?P<mesh>{_LABEL})/(?P<generation>[1-9][0-9]{{0,17}}))?)?")


_LONGEST: Final = 160
"""No path that fits is longer, and one that does not may be 64 KiB: it must not be remembered."""


class Witness(NamedTuple):
    """What the path of an entry says; a path of all meshes says nothing."""

    namespace: str = ""
    mesh: str = ""
    generation: int = 0


def witness(path: str) -> Witness | None:
    """Read a path: `/mutate`, `/mutate/<namespace>` or `/mutate/<namespace>/<mesh>/<generation>`; None for any other."""
    return _read(path) if len(path) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _read(path: str) -> Witness | None:
    found = _PATH.fullmatch(path)
    return Witness(found["namespace"] or "", found["mesh"] or "", int(found["generation"] or 0)) if found else None


class Freshness(Protocol):
    """Compares what the API server knows with what is known here."""

    def doubts(self, request: AdmissionRequest, seen: Witness) -> bool:
        """Whether the API server knows something that is not known here. It is asked for each review, and must be quick."""
        ...

    async def settle(self, request: AdmissionRequest, seen: Witness, due: float) -> InjectionError | None:
        """Find out by `due` of the monotonic clock, so that the decision can be made; what is returned refuses the pod instead."""
        ...
