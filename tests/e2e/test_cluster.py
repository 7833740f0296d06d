"""The stand itself: what the other tests rely on is tried here first."""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import yaml

from tests.e2e import processes
from tests.e2e.cluster import Cluster
from tests.e2e.controlplane import build

ROOT = Path(__file__).parents[2]
PARENT = """
import pathlib, sys
from tests.e2e import processes
with processes.child(sys.argv[2:], pathlib.Path(sys.argv[1])) as child:
    processes.eventually(lambda: "up" in child.said(), "it is up")
    print(child.process.pid, flush=True)
    child.process.wait()
"""
DEAF = "trap '' TERM HUP; echo up; sleep 1000; echo late"
"""A script that does not want to end, and a process of its own."""
Start = Callable[[], AbstractContextManager[Cluster]]


def test_the_server_is_the_version_that_was_chosen(shared: Cluster) -> None:
    version = yaml.safe_load(shared.kubectl("version", "-o", "yaml").ok())
    assert version["clientVersion"]["gitVersion"] == version["serverVersion"]["gitVersion"]
    if not build.is_given():
        assert version["serverVersion"]["gitVersion"] == build.version()


def test_several_clusters_run_at_once_and_nothing_is_left_of_them(start_cluster: Start) -> None:
    with ExitStack() as both:
        one, other = both.enter_context(start_cluster()), both.enter_context(start_cluster())
        one.add_namespace("only-here")
        assert one.kubectl("get", "namespace", "only-here").code == 0
        assert other.kubectl("get", "namespace", "only-here").code == 1
        started = processes.running[-4:]
        ports = {*one.network.ports, *other.network.ports}
    assert len(ports) == 4
    assert [child.name for child in started if child.lives() or child in processes.running] == []


def test_a_token_has_the_rights_of_its_service_account_and_no_others(shared: Cluster, namespace: str) -> None:
    token = shared.token_of(namespace, "default")
    assert shared.kubectl("auth", "whoami", token=token).ok().count(f"system:serviceaccount:{namespace}:default") == 1
    assert "forbidden" in shared.kubectl("get", "pods", "-n", namespace, token=token).stderr.lower()
    shared.kubectl("create", "role", "read", "--verb=list", "--resource=pods", "-n", namespace).ok()
    shared.kubectl("create", "rolebinding", "read", "--role=read", f"--serviceaccount={namespace}:default", "-n", namespace).ok()
    processes.eventually(lambda: shared.kubectl("get", "pods", "-n", namespace, token=token).code == 0, "the role binding counts")


def test_a_process_that_ends_early_is_told_with_what_it_said(tmp_path: Path) -> None:
    with (
        processes.child(["sh", "-c", "echo no such flag; exit 1"], tmp_path / "broken.log") as broken,
        pytest.raises(AssertionError, match="broken has ended:\nno such flag"),
    ):
        processes.eventually(lambda: False, "it is ready", while_lives=(broken,))


def test_a_process_that_does_not_want_to_end_is_ended(tmp_path: Path) -> None:
    with processes.child(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "deaf.log") as deaf:
        processes.eventually(lambda: "up" in deaf.said(), "it is up")
        deaf.end(seconds=0.2)
        assert not deaf.lives()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("inside", [[], ["unshare", "--user", "--map-root-user", "--net"]], ids=["here", "in a namespace"])
def test_the_children_of_a_run_that_is_killed_end_with_it(tmp_path: Path, number: signal.Signals, inside: list[str]) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "child.log"), *inside, "sh", "-c", DEAF]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        assert lives(group)
        parent.send_signal(number)
    processes.eventually(lambda: not lives(group), "nothing of the child is left")


def lives(group: int) -> bool:
    """Whether a process group has a process that is not merely waiting to be collected."""
    found = subprocess.run(["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout.splitlines()
    return any(int(line.split()[0]) == group and not line.split()[1].startswith("Z") for line in found)


@pytest.mark.parametrize(
    "command", [["-m", "pytest", "tests/e2e", "--collect-only"], [build.__file__, "--if-able"]], ids=["pytest", "build"]
)
def test_a_version_that_is_not_pinned_is_told_in_one_line(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("KUBERNETES", "v1.2")
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if line] == [done.stderr.strip()]
    assert "KUBERNETES=v1.2 is not pinned here, only v1." in done.stderr
