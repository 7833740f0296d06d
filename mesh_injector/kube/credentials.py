"""Where a cluster and its credentials are found: a kubeconfig, or the service account of the pod that this runs in.

Nothing here imports `kubernetes`, which takes half a second: whoever asks for no cluster need not wait for it.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from mesh_injector import opening
from mesh_injector.documents import Origin, mistakes, origin
from mesh_injector.errors import ConfigError

TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api"""
LIMIT_BYTES: Final = 8 * 1024 * 1024
"""The largest kubeconfig that is read: a thousand clusters with their certificates."""


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


def wrong(path: str) -> tuple[str, str] | None:
    """What keeps a path, or several, from leading to kubeconfigs, and where; None where nothing does.

    As with kubectl one of several files must be there. Nothing of what they hold is told: it may be a token.
    """
    there = [file for file in (Path(one).expanduser() for one in path.split(os.pathsep) if one) if os.path.lexists(file)]
    if not there:
        return "there is no such file", path
    return next(filter(None, map(_wrong, there)), None)


def _wrong(file: Path) -> tuple[str, str] | None:
    """What keeps a file from being read as a mapping in YAML; whether that is a kubeconfig, the client's library says."""
    text = ""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return f"it is {'a folder' if file.is_dir() else 'no regular file'}", str(file)
        text = opening.read(str(file), LIMIT_BYTES).decode()
        body = yaml.load(text, yaml.CSafeLoader)
    except ConfigError as error:
        return error.problem.what, str(file)
    except OSError as error:
        return f"it cannot be read ({error.strerror})", str(file)
    except UnicodeDecodeError:
        return "it is no kubeconfig: it is not UTF-8", str(file)
    except yaml.YAMLError as error:
        found = mistakes.explained(error, text)
        return f"it is no kubeconfig: {found.what}", str(origin.moved(Origin(str(file), 1, 1), text, found.index))
    return None if isinstance(body, dict) else ("it is no kubeconfig, which is a mapping with `clusters` and `contexts`", str(file))
