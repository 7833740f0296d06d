"""The differential test of our checks: a real API server judges the pods that we make, and those that we refuse to make.

`make judge` tries every case and writes judge/known.yaml anew: the refusals of an API server that we do not predict yet, each with a case
that shows it. It fails where that changes the list, so that neither a check that broke nor one that was added goes unnoticed.
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
KNOWN = HERE / "judge" / "known.yaml"
GOLDEN = HERE.parent / "golden" / "mesh"
SAMPLE = 1500
ACCOUNTS = ("api", "cart")
"""The service accounts that pods of golden cases run under."""


@pytest.fixture(scope="module")
def court(shared: Cluster) -> Iterator[Court]:
    shared.add_namespace(trial.NAMESPACE)
    for account in ACCOUNTS:
        shared.kubectl("create", "serviceaccount", account, "-n", trial.NAMESPACE).ok()
    with contextlib.closing(Court(shared)) as made:
        yield made
    shared.kubectl("delete", "namespace", trial.NAMESPACE, "--wait=false").ok()


@pytest.fixture(scope="module")
def verdicts(court: Court, request: pytest.FixtureRequest) -> list[Verdict]:
    """The verdicts on a sample of the changed cases and on those of the list, or on all of them."""
    tried = cases.changed() if request.config.getoption("--judge-all") else cases.sample(SAMPLE, known().values())
    return list(court.try_all(tried))


def known() -> dict[str, str]:
    """The kinds of refusals that we do not predict yet, each with the name of a case that shows it."""
    return yaml.safe_load(KNOWN.read_text(encoding="utf-8")) or {}


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
    missed, listed = [verdict for verdict in verdicts if verdict.missed], known()
    shown = {key: verdict.case.name for verdict in reversed(missed) for key in verdict.theirs.keys}
    if request.config.getoption("--judge-all"):
        KNOWN.write_text(yaml.safe_dump(shown, allow_unicode=True, width=1000), encoding="utf-8")
    unknown = [verdict for verdict in missed if verdict.theirs.keys - listed.keys()]
    assert not unknown, told(unknown)
    gone = {key: case for key, case in listed.items() if key not in shown}
    assert not gone, f"predicted now, or the case is no more; `make judge` takes it off the list: {gone}"


def test_a_field_that_the_api_server_does_not_know_is_found_by_us(court: Court) -> None:
    misspelt = list(court.try_all(case for case in cases.changed() if "noSuchField" in case.name))
    assert len(misspelt) > 100
    assert [one.told() for one in misspelt if "unknown field" not in one.ours or "unknown field" not in one.theirs.message] == []


REFUSED_ANYWAY = HERE / "judge" / "refused_anyway.yaml"
"""The golden cases whose own pod an API server refuses, and what it says. A webhook sees them all the same: it is asked before Kubernetes
validates (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/)."""


def test_the_pod_of_every_golden_case_is_accepted_as_we_make_it(court: Court, request: pytest.FixtureRequest) -> None:
    given = {folder.name: court.create(pod_in(folder / "pod.yaml")) for folder in sorted(GOLDEN.iterdir())}
    refused = {name: answer.message for name, answer in given.items() if answer.message}
    if request.config.getoption("--judge-all"):
        REFUSED_ANYWAY.write_text(yaml.safe_dump(refused, allow_unicode=True, width=1000), encoding="utf-8")
    assert refused.keys() == yaml.safe_load(REFUSED_ANYWAY.read_text(encoding="utf-8")).keys(), refused
    made = {file.parent.name: court.create(pod_in(file)) for file in GOLDEN.glob("*/injected.yaml") if file.parent.name not in refused}
    assert {name: answer.message for name, answer in made.items() if answer.message and not answer.of_cluster} == {}


def pod_in(file: Path) -> dict[str, Any]:
    """The pod of a file, alone or in a workload, for the judge's namespace and under a name."""
    found = workloads.find(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert found is not None
    body = {**found.pod, "apiVersion": "v1", "kind": "Pod"}
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if key not in trial.SERVERS_OWN}
    return {**body, "metadata": {"generateName": "golden-", **metadata, "namespace": trial.NAMESPACE}}
