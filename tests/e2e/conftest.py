"""What the end-to-end tests share: one cluster for all that can share it, logs beside a failure, and a loud word where they did not run."""

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e import cluster, processes
from tests.e2e.cluster import Cluster
from tests.e2e.controlplane import build

HERE = Path(__file__).parent
NUMBERS = itertools.count()
NOT_BUILT = "there is no control plane: run `make controlplane` (needs Go), or set KUBEBUILDER_ASSETS"

Start = Callable[[], AbstractContextManager[Cluster]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without binaries skip them all."""
    lacking = build.missing()
    for item in items:
        if lacking and HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"{NOT_BUILT}; lacking: {', '.join(lacking)}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what every process said last, where a test fails."""
    report = yield
    if report.failed:
        report.sections += [(f"{child.name}, {child.log}", child.tail()) for child in processes.running]
    return report


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start one more cluster; several may run at once."""
    return lambda: cluster.start(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="session")
def shared(start_cluster: Start) -> Iterator[Cluster]:
    """A cluster for all tests; each works in a namespace of its own."""
    with start_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def with_controllers(shared: Cluster) -> Iterator[Cluster]:
    """The shared cluster, and controllers that make pods of workloads."""
    with shared.controllers():
        yield shared


@pytest.fixture
def namespace(shared: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, of team shop."""
    words = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")
    name = f"{words[:50].strip('-')}-{next(NUMBERS)}"
    shared.add_namespace(name, team="shop")
    yield name
    shared.kubectl("delete", "namespace", name, "--wait=false").ok()
