"""The differential test of our checks: a real API server judges the pods that we make, and those that we refuse to make.

`make judge` tries every case and writes judge/known.txt anew: the refusals of an API server that we do not predict yet.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector import workloads
from tests.e2e.cluster import Cluster
from tests.e2e.judge import cases, trial
from tests.e2e.judge.trial import Court, Verdict

HERE = Path(__file__).parent
KNOWN = HERE / "judge" / "known.txt"
GOLDEN = HERE.parent / "golden" / "mesh"
SAMPLE = 1500


@pytest.fixture(scope="module")
def court(shared: Cluster) -> Iterator[Court]:
    shared.add_namespace(trial.NAMESPACE)
    with contextlib.closing(Court(shared)) as made:
        yield made
    shared.kubectl("delete", "namespace", trial.NAMESPACE, "--wait=false").ok()


@pytest.fixture(scope="module")
def verdicts(court: Court, request: pytest.FixtureRequest) -> list[Verdict]:
    """The verdicts on a sample of the changed cases, or on all of them."""
    tried = cases.changed() if request.config.getoption("--judge-all") else cases.sample(SAMPLE)
    return list(court.try_all(tried))


def told(found: list[Verdict]) -> str:
    """One line for each, the first of a kind first, so that a report begins with what is most different."""
    kinds = {tuple(sorted(verdict.theirs.keys)) or (re.sub(r"`[^`]*`|\d", "…", verdict.ours),): verdict for verdict in reversed(found)}
    return f"{len(found)} cases of {len(kinds)} kinds, one of each:\n" + "\n".join(verdict.told() for verdict in list(kinds.values())[:40])


def test_every_good_overlay_is_injected_and_the_api_server_accepts_the_pod(court: Court) -> None:
    found = list(court.try_all(cases.good()))
    assert [verdict.told() for verdict in found if verdict.ours or verdict.theirs.message] == []


def test_nothing_that_the_api_server_accepts_is_refused(verdicts: list[Verdict]) -> None:
    wronged = [verdict for verdict in verdicts if verdict.wronged and not is_ours_alone(verdict)]
    assert not wronged, told(wronged)


OURS_ALONE = ("stands twice in the template", "cannot come from a template", "is the record")
"""What a template may not bring though a pod may have it (contract, section 2)."""


def is_ours_alone(verdict: Verdict) -> bool:
    return any(words in verdict.ours for words in OURS_ALONE)


def test_what_the_api_server_refuses_is_predicted(verdicts: list[Verdict], request: pytest.FixtureRequest) -> None:
    missed = [verdict for verdict in verdicts if verdict.missed]
    if request.config.getoption("--judge-all"):
        KNOWN.write_text("".join(f"{key}\n" for key in sorted(set().union(*(verdict.theirs.keys for verdict in missed)))), encoding="utf-8")
    known = set(KNOWN.read_text(encoding="utf-8").splitlines())
    unknown = [verdict for verdict in missed if not verdict.theirs.keys & known]
    assert not unknown, told(unknown)


def test_a_field_that_the_api_server_does_not_know_is_found_by_us(court: Court) -> None:
    misspelt = list(court.try_all(case for case in cases.changed() if "noSuchField" in case.name))
    assert len(misspelt) > 100
    assert [one.told() for one in misspelt if "unknown field" not in one.ours or "unknown field" not in one.theirs.message] == []


REFUSED_ANYWAY = HERE / "judge" / "refused_anyway.txt"
"""The golden cases whose pod an API server refuses as it stands, because it is hostile or from the future."""


def test_the_pod_of_every_golden_case_is_accepted_as_we_make_it(court: Court, request: pytest.FixtureRequest) -> None:
    refused = {}
    for folder in sorted(GOLDEN.iterdir()):
        given, made = (folder / name for name in ("pod.yaml", "injected.yaml"))
        if court.create(pod_in(given)).message:
            refused[folder.name] = "its pod"
        elif made.exists() and (answer := court.create(pod_in(made))).message and not answer.of_cluster:
            refused[folder.name] = answer.message
    if request.config.getoption("--judge-all"):
        REFUSED_ANYWAY.write_text("".join(f"{name}\n" for name, why in refused.items() if why == "its pod"), encoding="utf-8")
    assert refused == dict.fromkeys(REFUSED_ANYWAY.read_text(encoding="utf-8").splitlines(), "its pod")


def pod_in(file: Path) -> dict[str, Any]:
    """The pod of a file, alone or in a workload, for the judge's namespace and under a name."""
    found = workloads.find(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert found is not None
    body = {**found.pod, "apiVersion": "v1", "kind": "Pod"}
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if key not in trial.SERVERS_OWN}
    return {**body, "metadata": {"generateName": "golden-", **metadata, "namespace": trial.NAMESPACE}}
