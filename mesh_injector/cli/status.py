"""`status`: who is injected and with which template, who is outdated and how to move them, and who was missed."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

from mesh_injector.cli import exits, flags, standings, subjects
from mesh_injector.cli.flags import flag
from mesh_injector.cli.screen import Part
from mesh_injector.cli.standings import Row, Standings, State
from mesh_injector.cli.terminal import Terminal
from mesh_injector.kube import census
from mesh_injector.kube.credentials import Credentials

_STYLES: Final = {State.INJECTED: "green", State.OUTDATED: "yellow", State.MISSED: "bold red", State.LEFT_OUT: "dim"}
_SHOWN: Final = 3


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"


def status(  # noqa: PLR0913 # the parameters are the command's flags
    namespace: Annotated[str, flag("-n", "--namespace", metavar="NAME", help="Only pods of this namespace. Default: of all.")] = "",
    all_namespaces: Annotated[bool, flag("-A", "--all-namespaces", help="Pods of every namespace, whatever -n says.")] = False,
    labels: Annotated[str, flag("-l", "--selector", metavar="SELECTOR", help="Only pods with these labels: app=web,!old.")] = "",
    mesh: Annotated[str, flag("--mesh", metavar="[NAMESPACE/]NAME", help="Only pods of this mesh.")] = "",
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    output: Annotated[Output, flag("-o", "--output", help="text, wide or json.")] = Output.TEXT,
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Show which pods are injected, outdated or missed. It tells by which mesh and template, and how to move them.

    Pods that no mesh selects are only counted. Exit 0 when none is outdated or missed, 1 when one is, 4 when pods or Meshes cannot be
    read.

    Examples:

      mesh-injector status

      mesh-injector status -n shop -l app=web -o wide

      mesh-injector status --mesh mesh-system/payments -o json
    """
    subjects.scope(namespace, labels, all_namespaces=all_namespaces)  # a wrong selector is a usage error
    terminal, given = Terminal(color, quiet=quiet), Credentials(kubeconfig, context)
    taken = census.take(given, home_namespace, "" if all_namespaces else namespace, labels)
    judge = Standings(taken, home_namespace)
    rows = [row for row in judge.rows(census.whole(given, judge.unrecorded(), labels)) if _is_of(row, mesh)]
    if output is Output.JSON:
        terminal.json({"items": [_as_json(row) for row in rows], "unseen": list(taken.unseen)})
    elif rows:
        _table(rows, terminal, is_wide=output is Output.WIDE)
    for one in taken.unseen:
        terminal.say(f"‼ cannot be looked at: {one}", style="yellow")
    terminal.say(_summary(rows, judge.pods))
    return exits.NO if any(row.move for row in rows) else exits.DONE


def _is_of(row: Row, mesh: str) -> bool:
    return not mesh or mesh in (row.standing.mesh, row.standing.mesh.partition("/")[2])


def _as_json(row: Row) -> dict[str, Any]:
    said = row.standing
    return {
        "namespace": row.namespace,
        "workload": "/".join(row.workload),
        "state": said.state.value,
        "mesh": said.mesh or None,
        "template": said.template or None,
        "why": said.why or None,
        "move": row.move or None,
        "pods": list(row.pods),
    }


def _table(rows: Sequence[Row], terminal: Terminal, *, is_wide: bool) -> None:
    headings = ("NAMESPACE", "WORKLOAD", "PODS", "STATE", "MESH", "TEMPLATE", *(("NAMES",) if is_wide else ()), "WHY")
    terminal.table(headings, [_cells(row, is_wide=is_wide) for row in rows])
    moves = sorted({row.move for row in rows if row.move})
    if moves:
        terminal.out.line("")
        terminal.out.line(("to move them:", "bold"))
    for move in moves:
        terminal.out.line(f"  {move}")


def _cells(row: Row, *, is_wide: bool) -> list[Part]:
    said = row.standing
    template = said.template if is_wide else standings.short(said.template)
    names = ", ".join(row.pods[:_SHOWN]) + (f" and {len(row.pods) - _SHOWN} more" if len(row.pods) > _SHOWN else "")
    state = (said.state.value, _STYLES[said.state])
    cells: list[Part] = [row.namespace, "/".join(row.workload), str(len(row.pods)), state, said.mesh, template]
    return [*cells, *([names] if is_wide else []), said.why]


def _summary(rows: Sequence[Row], pods: int) -> str:
    counts: Counter[State] = Counter()
    for row in rows:
        counts[row.standing.state] += len(row.pods)
    told = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    return f"{pods} pods: {told or 'none of a mesh'}"
