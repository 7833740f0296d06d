"""The stand itself: what the other tests rely on is tried here first."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import yaml

from tests.e2e import processes
from tests.e2e.cluster import Cluster
from tests.e2e.controlplane import build

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
