"""A short set of the drills: nothing lost, nothing silently un-injected, every refusal names us, no traceback."""

from collections.abc import Iterator

import pytest

from tests.e2e import drills, installation
from tests.e2e.stand import Stand


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with installation.start(tmp_path_factory.mktemp("drills")) as made:
        drills.prepare(made)
        yield made


@pytest.mark.parametrize("drill", ["burst", "edited", "killed", "rolled"])
def test_a_burst_loses_no_pod_whatever_happens_to_replicas_and_meshes(stand: Stand, drill: str) -> None:
    judge(stand, drills.DRILLS[drill][0](stand, 300))


def test_with_both_replicas_dead_for_a_while_a_deployment_gets_all_its_pods_and_all_are_injected(stand: Stand) -> None:
    result = drills.both_dead(stand, 60, seconds=3)
    judge(stand, result)


def judge(stand: Stand, result: drills.Result) -> None:
    assert result.is_passed, result
    assert [name for name, each in stand.replicas.items() if "Traceback" in each.process.said()] == []
