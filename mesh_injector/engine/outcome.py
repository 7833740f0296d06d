"""What came of one pod: what the caller hears, the patch, and what every door says of it in its own language."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from mesh_injector.engine.rules import Operation
from mesh_injector.errors import InjectionError, printable
from mesh_injector.reasons import Reason


class Verdict(StrEnum):
    """What the caller hears: the contract's outcomes."""

    INJECTED = "injected"
    SKIPPED = "skipped"
    AUDITED = "audited"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Outcome:
    """What happened to one pod. For an audited pod `operations` are what would have been done; only an injected one is patched.

    Pods that are alike have the same one, so what is made of it is made once.
    """

    verdict: Verdict
    reason: Reason
    mesh: str = ""
    template: str = ""
    operations: Sequence[Operation] = ()
    warnings: tuple[str, ...] = ()
    error: InjectionError | None = None
    answers: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """What a door answers with it, by the door's name: made once for all pods that have this outcome."""

    @property
    def allowed(self) -> bool:
        """Whether the pod may be created."""
        return self.verdict is not Verdict.REFUSED

    @property
    def passes(self) -> bool:
        """Whether the pod may be created without what a mesh would bring."""
        return self.allowed and not self.patch and self.reason is not Reason.ALREADY_INJECTED

    @property
    def patch(self) -> Sequence[Operation]:
        """The operations that are really sent."""
        return self.operations if self.verdict is Verdict.INJECTED else ()

    @functools.cached_property
    def words(self) -> tuple[str, str]:
        """Verdict and reason as plain text."""
        return self.verdict.value, self.reason.value

    @functools.cached_property
    def encoded_patch(self) -> bytes:
        """The operations that are really sent, as JSON."""
        return msgspec.json.encode(self.patch)

    @property
    def weight(self) -> int:
        """The bytes that it takes with a door's answer, beside the values of its operations, which are the overlay's; roughly."""
        return 1024 + 512 * len(self.operations) + 3 * len(self.encoded_patch) + 3 * sum(map(len, self.warnings))

    @property
    def why(self) -> str:
        """The reason, and for a failure what is wrong."""
        return self.reason.value + (f": {self.error.problem.what}" if self.error else "")

    @property
    def message(self) -> str:
        """The error's whole text, as a refused user reads it; empty when there is none."""
        if self.error is None:
            return ""
        mesh = f"mesh {self.mesh}: " if self.mesh else ""
        problem = self.error.problem
        parts = [problem.what, f"at {problem.where}" if problem.where else "", f"fix: {problem.fix}" if problem.fix else ""]
        return printable(f"mesh-injector: [{problem.code}] {mesh}{'; '.join(filter(None, parts))}")
