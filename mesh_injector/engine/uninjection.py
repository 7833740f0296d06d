"""Taking out of a pod exactly what its record lists: the offline way back, which needs no rules because the record says all."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mesh_injector import reasons
from mesh_injector.engine import record
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.record import NoRecord
from mesh_injector.engine.rules import Operation
from mesh_injector.errors import ConfigError, Problem

WHERE: Final = f"metadata.annotations[{record.ANNOTATION}]"


class Verdict(StrEnum):
    """What became of one pod."""

    UNINJECTED = "uninjected"
    UNTOUCHED = "untouched"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Uninjection:
    """What taking the record out of one pod needs; a refused pod has an error, and only an uninjected one is patched."""

    verdict: Verdict
    why: str
    mesh: str = ""
    patch: Sequence[Operation] = ()
    error: ConfigError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the pod is as it was asked for: without a record."""
        return self.verdict is not Verdict.REFUSED

    @property
    def message(self) -> str:
        """What is wrong, in one line; empty when nothing is."""
        return str(self.error) if self.error else ""


def uninject(pod: Pod) -> Uninjection:
    """Work out the patch that takes out what the record lists; a pod without one is left untouched, and what is no record is refused."""
    if record.ANNOTATION not in pod.annotations:
        return Uninjection(Verdict.UNTOUCHED, "it carries no record")
    try:
        stripped = record.take_out(pod)
    except NoRecord as error:
        fix = "remove the annotation by hand once you know what was added"
        return _refused(f"the annotation {error}", fix)
    if stripped.record.is_newer:
        what = f"the record is of version {stripped.record.version}, and this program knows versions up to {record.VERSION}"
        return _refused(what, "use the release that wrote it, or a newer one")
    return Uninjection(Verdict.UNINJECTED, f"{stripped.record.size} things taken out", stripped.record.mesh, stripped.operations)


def _refused(what: str, fix: str) -> Uninjection:
    return Uninjection(Verdict.REFUSED, what, error=ConfigError(Problem(reasons.FIELD_WRONG, what, WHERE, fix)))
