"""What `check` says of API servers that the tests have none of; what it finds in real ones is in tests/e2e/test_check.py."""

from datetime import UTC, datetime

import pytest

from mesh_injector import reasons
from mesh_injector.cli import health
from mesh_injector.cli.health import access
from mesh_injector.cli.health.finding import Level, unseen
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube.survey import QUESTIONS, Answer, Right, Survey


def survey(**version: str) -> Survey:
    answers = {name: Answer(question.needs("mesh-system")) for name, question in QUESTIONS.items()}
    return Survey("mesh-system", "https://example.com", version, answers, datetime.now(UTC))


@pytest.mark.parametrize(
    ("major", "minor", "level"), [("1", "29+", Level.ERROR), ("1", "30", Level.OK), ("2", "0", Level.OK), ("", "", Level.ERROR)]
)
def test_an_api_server_that_is_too_old_is_an_error(major: str, minor: str, level: Level) -> None:
    found = list(access.api(survey(major=major, minor=minor, gitVersion="v")))
    assert [finding.level for finding in found] == [Level.OK, level]


def test_what_an_api_server_refuses_for_another_reason_is_told_in_its_words() -> None:
    error = ClusterError(Problem(reasons.CLUSTER_REFUSED, "etcd is away"), 500)
    found = unseen("the Lease", Answer("get lease", error=error))
    assert (found.level, found.what) == (Level.WARNING, "the Lease cannot be looked at: etcd is away")


def test_every_section_stands_what_is_not_there() -> None:
    seen = survey(major="1", minor="37")
    for judge in (*health.SECTIONS.values(), *health.BEFORE.values()):
        assert [finding for finding in judge(seen) if finding.level is not Level.OK and not finding.fix] == []


def test_a_right_is_written_as_kubectl_is_asked_for_it() -> None:
    assert str(Right("patch", "mesh-injector.io", "meshes/status")) == "patch meshes.mesh-injector.io --subresource=status -A"
    assert str(Right("get", "", "secrets", "home", "tls")) == "get secrets/tls -n home"
    assert QUESTIONS["lease"].needs("home") == "get leases.coordination.k8s.io/mesh-injector -n home"
