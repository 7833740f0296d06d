"""What a format hands to the pipeline: rules that look at one pod and return a decision, and the checks that explain it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from mesh_injector.engine.overlay import Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.selector import Selector
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace as decisions and templates see it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class Severity(StrEnum):
    """What an error does to the pod."""

    REFUSE = "refuse"
    IGNORE = "ignore"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Check:
    """One mesh, considered: whether it matched, and why or why not."""

    mesh: str
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules say about one pod: overlays to place, or the reason for leaving it alone, or an error.

    `mesh` is `namespace/name`, or empty when none can be named; `asked` says how the pod asked for injection; `severity` is what an
    error (this one, or one found while placing) does. `then` decides what follows, on the pod as these overlays left it, and None ends
    it; the last decision speaks for all, so its mesh, template and reason are those of the whole, and warnings add up.
    """

    reason: Reason
    mesh: str = ""
    template: str = ""
    overlays: Sequence[Overlay] = ()
    warnings: tuple[str, ...] = ()
    asked: str = ""
    error: InjectionError | None = None
    severity: Severity = Severity.REFUSE
    then: "Callable[[Pod], Decision | None] | None" = None


@dataclass(frozen=True, slots=True)
class Registration:
    """What an API server is to ask about for one mesh: the pods that both selectors select, `None` being any.

    `mesh` is `namespace/name`, and `generation` that of the Mesh it was made of; `only_in` is the one namespace whose pods are meant,
    or empty. `is_required` where a pod that cannot be asked about must not be created.
    """

    mesh: str
    generation: int
    pods: Selector | None
    namespaces: Selector | None
    only_in: str
    is_required: bool


class Rules(Protocol):
    """What a format makes of its documents. Both methods are pure and use the same functions, so they cannot disagree."""

    def decide(self, pod: Pod, namespace: Namespace) -> Decision:
        """Decide about one pod; never raises for what a user did."""
        ...

    def checks(self, pod: Pod, namespace: Namespace) -> tuple[Check, ...]:
        """Explain: every mesh, matched or not, with the requirement that failed."""
        ...


Operation = dict[str, Any]
"""One RFC 6902 operation: `op`, `path` and, except for `remove`, `value`."""
