"""How the items of an overlay meet the pod's where that differs from the native table (contract, section 2): older formats need it.

A Mesh always places by the native table; a format that has other rules says them here, and placement and record know no format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Policy(Enum):
    """What happens to an item that the pod has by the same key, and that differs."""

    REFUSE = "the pod is refused; an equal one is left"
    KEEP = "the pod's is kept, with a warning"
    APPEND = "both are there: items are told apart only whole"
    REPLACE = "the pod's gives way; the record keeps it"


NATIVE: Final[Mapping[str, Policy]] = {"volumes": Policy.REFUSE}
"""The native table for lists with keys, by field; of all others the pod's item is kept. Containers have a rule of their own."""

GIVES_WAY: Final = frozenset({"env", "volumeMounts"})
"""Lists of a container whose items of the pod's own may be replaced or taken away.

No others: what was taken is put back on the word of an annotation that anybody can write, so it must give a pod no rights. See
docs/decisions/0004-what-is-taken-away.md.
"""

_EXISTENCE: Final = frozenset({Policy.REFUSE, Policy.KEEP})
ALLOWED: Final[Mapping[str, frozenset[Policy]]] = {
    **dict.fromkeys(("containers", "initContainers", "volumes", "ports", "imagePullSecrets"), _EXISTENCE),
    "volumeMounts": _EXISTENCE | {Policy.REPLACE},
    "env": _EXISTENCE | {Policy.REPLACE, Policy.APPEND},
}
"""The policies that each list can have: a second volume or mount of one name would be a pod that Kubernetes refuses."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of one overlay, by the names of lists.

    `collisions` says what happens where both have an item. `also_by` names a second member by which an item counts as there, such as a
    mount's `name`. `takes_away` lists the keys of items that are taken out of the pod's containers before anything is placed.
    Raises ValueError for what no list can have: a format's mistake, never a user's.
    """

    collisions: Mapping[str, Policy] = field(default_factory=dict)
    also_by: Mapping[str, str] = field(default_factory=dict)
    takes_away: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [f"{name}: {policy.name}" for name, policy in self.collisions.items() if policy not in ALLOWED.get(name, ())]
        wrong += [f"{name}: taken away" for name in self.takes_away if name not in GIVES_WAY]
        if wrong:
            raise ValueError(f"no list can have these policies: {', '.join(wrong)}")

    def of(self, name: str) -> Policy:
        """The policy of a list that has keys."""
        return self.collisions.get(name) or NATIVE.get(name, Policy.KEEP)


NONE: Final = Policies()
"""The native table and nothing else."""
