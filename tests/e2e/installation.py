"""The installation of config/ on a cluster, by the commands that docs/cluster.md gives, and our processes with its account's rights."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e import cluster, stand, webhook
from tests.e2e.cluster import Cluster, Network
from tests.e2e.stand import Stand

DEFAULT: Final = Path(__file__).parents[2] / "config" / "default"
ACCOUNT: Final = "mesh-injector"


def install(running: Cluster) -> None:
    """Apply everything, as often as one likes."""
    running.kubectl("apply", "-k", str(DEFAULT)).ok()
    running.kubectl("wait", "--for=condition=Established", "crd/meshes.mesh-injector.io").ok()


def kubeconfig(running: Cluster) -> Path:
    """Write a kubeconfig with the rights of the installation's account and no others."""
    config: Any = yaml.safe_load(running.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": running.token_of(webhook.HOME, ACCOUNT)}
    written = running.folder / f"{ACCOUNT}.kubeconfig"
    written.write_text(yaml.safe_dump(config), encoding="utf-8")
    return written


@contextlib.contextmanager
def start(folder: Path, *flags: str) -> Iterator[Stand]:
    """Run a cluster with controllers, and two replicas that watch it behind the Service of the installation, while the block lasts.

    Its Deployment is scaled to zero: without nodes its pods would not run, and the replicas stand for them.
    """
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context(stand.hosts(folder))
        running = stack.enter_context(cluster.start(folder / "cluster", Network(stand.BRIDGE, (2379, 6443), enter)))
        stack.enter_context(running.controllers())
        install(running)
        running.kubectl("scale", "deployment", ACCOUNT, "-n", webhook.HOME, "--replicas=0").ok()
        yield stand.replicated(Stand(running, enter, "cluster", (f"--kubeconfig={kubeconfig(running)}", *flags), stack))
