"""The installation of config/ on a cluster, by the commands that docs/cluster.md gives."""

from pathlib import Path
from typing import Final

from tests.e2e.cluster import Cluster

DEFAULT: Final = Path(__file__).parents[2] / "config" / "default"


def install(cluster: Cluster) -> None:
    """Apply everything, as often as one likes."""
    cluster.kubectl("apply", "-k", str(DEFAULT)).ok()
    cluster.kubectl("wait", "--for=condition=Established", "crd/meshes.mesh-injector.io").ok()
