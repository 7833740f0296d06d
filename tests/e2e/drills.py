"""Drills on two replicas behind a Service: bursts of pods while replicas are killed, restarted, dead or frozen.

Nothing may be lost, no pod created silently without its sidecar, and every refusal must name us. `make drills` runs them all and prints a
table; `test_drills.py` runs a short set. Each works in a namespace that it makes, and everything stays inside the stand.
"""

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.e2e import burst, installation, processes
from tests.e2e.processes import Child
from tests.e2e.stand import Stand

SAMPLES: Final = Path(__file__).parents[2] / "config" / "samples"
SAMPLE_MESH, SAMPLE_TEMPLATE = yaml.safe_load_all((SAMPLES / "mesh-payments.yaml").read_text(encoding="utf-8"))
READINESS_SECONDS: Final = 4
"""How long a kubelet takes until a replica that does not answer is out of the Service: two probes, two seconds apart."""
PATIENCE: Final = 240


@dataclass(frozen=True)
class Result:
    """What came of one drill; `strange` are refusals that do not name us."""

    drill: str
    pods: int
    refused: int
    retried: int
    lost: int
    uninjected: int
    seconds: float
    strange: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether nothing was lost, or created without its sidecar, or refused by somebody else."""
        return not (self.lost or self.uninjected or self.strange)

    def cells(self) -> tuple[str, ...]:
        """A line of the table."""
        rate = f"{self.pods / self.seconds:.0f}"
        counts = (self.refused, self.retried, self.lost, self.uninjected)
        return (self.drill, str(self.pods), rate, *map(str, counts), f"{self.seconds:.1f}", "passed" if self.is_passed else "FAILED")


HEADINGS: Final = ("drill", "pods", "pods/s", "refused", "retried", "lost", "un-injected", "seconds", "")


def prepare(stand: Stand) -> None:
    """Apply the sample Mesh, and wait until it is Ready."""
    stand.cluster.apply(SAMPLE_MESH, SAMPLE_TEMPLATE).ok()
    stand.cluster.kubectl("wait", "--for=condition=Ready", "mi/payments", "-n", "mesh-system", "--timeout=120s").ok()


@contextlib.contextmanager
def namespace(stand: Stand, name: str) -> Iterator[str]:
    """Make a namespace for one drill, and delete it with all its pods after that."""
    made = f"drill-{name.replace(' ', '-')}"
    stand.cluster.add_namespace(made, team="shop")
    try:
        yield made
    finally:
        stand.cluster.kubectl("delete", "deployments", "--all", "-n", made, "--wait=false")
        stand.cluster.kubectl("delete", f"--raw=/api/v1/namespaces/{made}/pods")  # one call for all
        stand.cluster.kubectl("delete", "namespace", made, "--wait=false")


@contextlib.contextmanager
def bursting(stand: Stand, within: str, pods: int) -> Iterator[Child]:
    """Create pods from another process while the block lasts."""
    command = (*stand.enter, sys.executable, "-m", "tests.e2e.burst", f"--kubeconfig={stand.cluster.kubeconfig}", f"--namespace={within}")
    with processes.child((*command, f"--pods={pods}"), stand.cluster.folder / f"{within}-{next(stand.starts)}.log") as one:
        yield one


def progress(one: Child) -> int:
    """How many pods a burst has created, as it last said."""
    said = [line for line in one.said().splitlines() if line.startswith("created ")]
    return int(said[-1].split()[1]) if said else 0


def of_burst(stand: Stand, drill: str, pods: int, fault: Callable[[Child], None] = lambda _: None) -> Result:
    """Create pods 32 at a time, do something to the replicas when a quarter is there, and count."""
    with namespace(stand, drill) as within, bursting(stand, within, pods) as one:
        processes.eventually(lambda: progress(one) >= pods // 4, "a quarter of the pods is there", PATIENCE)
        fault(one)
        processes.eventually(lambda: not one.lives(), "the burst is over", PATIENCE)
        said = json.loads(one.said().splitlines()[-1])
        there, without = _counted(stand, within)
    counts = {name: int(said[name]) for name in ("refused", "retried")}
    return Result(drill, pods, **counts, lost=pods - there, uninjected=without, seconds=said["seconds"], strange=tuple(said["strange"]))


def _counted(stand: Stand, within: str) -> tuple[int, int]:
    """How many pods there are, and how many of them are not injected."""
    found = stand.cluster.get("pods", "-n", within)["items"]
    return len(found), sum(not burst.is_injected(pod) for pod in found)


def a_burst(stand: Stand, pods: int) -> Result:
    """Everything works."""
    return of_burst(stand, "burst", pods)


def killed(stand: Stand, pods: int) -> Result:
    """One replica is killed; it is out of the Service when the kubelet has noticed, and another takes its place."""

    def kill(_: Child) -> None:
        stand.replicas["two"].process.kill()
        stand.drain("two")
        stand.add("two")

    return of_burst(stand, "replica killed", pods, kill)


def edited(stand: Stand, pods: int) -> Result:
    """The Mesh is edited all the while, and a second one that matches the same pods and outranks it comes and goes."""
    payments, template = SAMPLE_MESH, ("patch", "configmap", "envoy-sidecar", "-n", "mesh-system", "--type=merge")
    second = {**payments, "metadata": {**payments["metadata"], "name": "second"}, "spec": {**payments["spec"], "priority": 10}}
    text = SAMPLE_TEMPLATE["data"]["patch.yaml.j2"]

    def edit(one: Child) -> None:
        for number in itertools.count():
            if not one.lives():
                break
            level = {"spec": {"values": {"logLevel": ("info", "debug")[number % 2]}}}
            stand.cluster.kubectl("patch", "mi/payments", "-n", "mesh-system", "--type=merge", "-p", json.dumps(level)).ok()
            stand.cluster.apply(second).ok()
            stand.cluster.kubectl(*template, "-p", json.dumps({"data": {"patch.yaml.j2": f"# {number}\n{text}"}})).ok()
            stand.cluster.kubectl("delete", "mi/second", "-n", "mesh-system", "--wait=true").ok()

    try:
        return of_burst(stand, "mesh edited", pods, edit)
    finally:
        stand.cluster.kubectl("delete", "mi/second", "-n", "mesh-system", "--ignore-not-found").ok()
        prepare(stand)


def rolled(stand: Stand, pods: int) -> Result:
    """Both replicas are restarted, one after the other, as a Deployment does."""

    def roll(_: Child) -> None:
        for name in ("one", "two"):
            stand.restart(name)

    return of_burst(stand, "rolling restart", pods, roll)


def leader_frozen(stand: Stand, pods: int) -> Result:
    """The leader stops where it is; the Service leads to it until the kubelet has noticed, and the other one leads."""
    leads = {name: each.process for name, each in stand.replicas.items() if each.process.said().count("] leading") > _ended(each.process)}
    name, old = next(iter(leads.items()))
    new = next(each.process for other, each in stand.replicas.items() if other != name)

    def freeze(_: Child) -> None:
        old.freeze()
        frozen = time.monotonic()
        processes.eventually(lambda: time.monotonic() > frozen + READINESS_SECONDS, "the kubelet has noticed")
        stand.drain(name)
        processes.eventually(lambda: new.said().count("] leading") > _ended(new), "the other one leads", 60)

    try:
        return of_burst(stand, "leader frozen", pods, freeze)
    finally:
        old.thaw()
        stand.enlist(name)


def _ended(one: Child) -> int:
    return one.said().count("no longer leading")


def both_dead(stand: Stand, pods: int, seconds: float = 10) -> Result:
    """Both replicas are dead for some seconds under a Deployment that is being scaled up."""
    template = {"metadata": {"labels": burst.LABELS}, "spec": {"containers": [burst.CONTAINER]}}
    spec = {"replicas": pods, "selector": {"matchLabels": {"app": "cart"}}, "template": template}
    with namespace(stand, "both dead") as within:
        made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": within}, "spec": spec}
        began = time.monotonic()
        stand.cluster.apply(made).ok()
        processes.eventually(lambda: _names(stand, within) >= pods // 10, "the Deployment has begun", 60)
        for each in stand.replicas.values():
            each.process.kill()
        dead = time.monotonic()
        processes.eventually(lambda: time.monotonic() > dead + seconds, "they were dead for long enough", seconds + 30)
        for name in stand.replicas:
            stand.add(name)
        processes.eventually(lambda: _names(stand, within) >= pods, "every pod of the Deployment is there", PATIENCE)
        took = round(time.monotonic() - began, 2)
        there, without = _counted(stand, within)
        refusals = [one for one in stand.cluster.get("events", "-n", within)["items"] if one.get("reason") == "FailedCreate"]
    strange = tuple(one["message"] for one in refusals if burst.OURS not in one["message"])
    refused = sum(int(one.get("count") or (one.get("series") or {}).get("count") or 1) for one in refusals)
    return Result("both dead", pods, refused, refused, pods - there, without, took, strange)


def _names(stand: Stand, within: str) -> int:
    return stand.cluster.kubectl("get", "pods", "-n", within, "-o", "name").ok().count("\n")


DRILLS: Final[Mapping[str, tuple[Callable[[Stand, int], Result], int]]] = {
    "burst": (a_burst, 3000),
    "edited": (edited, 1500),
    "killed": (killed, 1500),
    "rolled": (rolled, 3000),
    "dead": (both_dead, 1000),
    "frozen": (leader_frozen, 1500),
}
"""Each drill with the number of its pods."""


def main() -> int:
    """Run the drills that are named, or all, and print the table; 1 where one failed."""
    parser = argparse.ArgumentParser(description="Drills on two replicas behind a Service.")
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"{', '.join(DRILLS)}; all without one")
    parser.add_argument("--scale", type=float, default=1, help="of the number of pods")
    given = parser.parse_args()
    if unknown := sorted(set(given.drills) - DRILLS.keys()):
        parser.error(f"no such drill: {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    results = []
    with tempfile.TemporaryDirectory(prefix="drills-") as folder, installation.start(Path(folder)) as stand:
        _tell("two replicas behind a Service are up")
        prepare(stand)
        for name in given.drills or DRILLS:
            drill, pods = DRILLS[name]
            _tell(f"{name}: {(drill.__doc__ or '').splitlines()[0]}")
            results.append(drill(stand, max(1, int(pods * given.scale))))
            _tell("  ".join(f"{heading} {cell}" for heading, cell in zip(HEADINGS, results[-1].cells(), strict=True)))
    _table([HEADINGS, *(result.cells() for result in results)])
    for result in results:
        for message in result.strange:
            print(f"{result.drill}: a refusal that does not name us: {message}")
    return 0 if all(result.is_passed for result in results) else 1


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if row is HEADINGS:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


if __name__ == "__main__":
    sys.exit(main())
