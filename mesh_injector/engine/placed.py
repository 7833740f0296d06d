"""What placing did to a pod: the operations, and everything that the record needs to take exactly that out again.

Several placements of one pod are joined by `then`, each made on the pod as the earlier ones left it.
"""

from dataclasses import dataclass, field
from typing import Any

from mesh_injector.engine.rules import Operation
from mesh_injector.engine.taking import Taken


@dataclass(slots=True)
class Placement:
    """What placing did: the operations in order, and what the record needs to take exactly that out again.

    `added` are the addresses of leaves, `created` those of lists and maps that were not there, `replaced` the old values of defaults,
    `taken` what was the pod's own and is gone, in the order in which it went.
    """

    operations: list[Operation] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    replaced: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)

    def then(self, later: "Placement") -> "Placement":
        """Join two placements, the second made on the pod as the first left it; only what was the pod's own is old or taken."""
        ours = set(self.added)
        gone = {taken.at for taken in later.taken}
        return Placement(
            self.operations + later.operations,
            [*(name for name in self.added if name not in gone), *later.added],
            self.created + later.created,
            {**{name: old for name, old in later.replaced.items() if name not in ours}, **self.replaced},
            self.warnings + later.warnings,
            self.taken + [taken for taken in later.taken if taken.at not in ours],
        )
