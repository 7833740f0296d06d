"""Where a cluster and its credentials are found: a kubeconfig, or the service account of the pod that this runs in.

Nothing here imports `kubernetes`, which takes half a second: whoever asks for no cluster need not wait for it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user says of the cluster: a kubeconfig (several, joined by `:`) and a context of it; empty where nothing is said."""

    kubeconfig: str = ""
    context: str = ""


def in_pod() -> bool:
    """Whether this runs in a pod of a cluster, with a service account."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and TOKEN.is_file()


def kubeconfig(given: Credentials) -> str:
    """The kubeconfig to use, as kubectl finds it: the one that is given, $KUBECONFIG, ~/.kube/config; empty for the pod's own account."""
    if named := given.kubeconfig or os.environ.get("KUBECONFIG", ""):
        return named
    usual = Path("~/.kube/config").expanduser()
    return "" if in_pod() and not given.context and not usual.is_file() else str(usual)


def is_there(path: str) -> bool:
    """Whether there is a kubeconfig at a path, or at one of several."""
    return any(Path(file).expanduser().is_file() for file in path.split(os.pathsep))
