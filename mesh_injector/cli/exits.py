"""Exit codes, and how an error becomes one."""

import os
import sys
from typing import Final

from mesh_injector.errors import ClusterError, MeshInjectorError, printable
from mesh_injector.reasons import CODES, Reason

DONE: Final = 0
NO: Final = 1
UNREADABLE: Final = 3
NO_CLUSTER: Final = 4
BUG: Final = 70


def report(error: Exception) -> int:
    """Tell an error that nobody handled: a clear one by its message, a bug of ours by a reference to a file with the traceback."""
    if isinstance(error, MeshInjectorError):
        sys.stderr.write(f"{printable(str(error))}\n")
        return NO_CLUSTER if isinstance(error, ClusterError) else UNREADABLE
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="mesh-injector-", suffix=".txt", delete=False) as file:
        file.write("".join(traceback.format_exception(error)))
    what = printable(f"{type(error).__name__}: {error}")[:200]
    sys.stderr.write(f"[{CODES[Reason.INTERNAL]}] this is a bug of mesh-injector ({what}); please report it with {file.name}\n")
    return BUG


def quiet_pipe() -> int:
    """End without a word when the reader of our output has gone, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
