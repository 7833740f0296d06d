"""Completion for `kubectl mesh-injector`: kubectl asks the program `kubectl_complete-mesh_injector` on the PATH, and shows what it prints.

Source: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/, and for the last line cobra's directives.
"""

import contextlib
import io
import os
import shlex
import sys
from typing import Final

_DEFAULT: Final = ":0"
"""Nothing special: the shell offers files where we offer nothing."""


def kubectl() -> None:
    """Print what the last of the words so far may become, a line for each, then the directive."""
    words = sys.argv[1:]
    asked = {"COMP_WORDS": shlex.join(["mesh-injector", *words]), "COMP_CWORD": str(len(words)), "_MESH_INJECTOR_COMPLETE": "complete_bash"}
    os.environ.update(asked)
    from mesh_injector.cli import app

    found = io.StringIO()
    with contextlib.redirect_stdout(found), contextlib.suppress(SystemExit):
        app.app(prog_name="mesh-injector")
    sys.stdout.writelines(f"{line}\n" for line in (*found.getvalue().split(), _DEFAULT))
