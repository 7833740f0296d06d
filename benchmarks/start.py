"""How long a cold start takes: from the command to `ready` on a directory, and the commands people wait for."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.measure import Ratio

SAMPLES: Final = Path(__file__).parent.parent / "config" / "samples"
_COMMAND: Final = Path(sys.executable).with_name("mesh-injector")


def ready(rounds: int) -> Ratio:
    """Seconds until `serve` says that it is ready."""
    return Ratio.of([_ready() for _ in range(rounds)])


def _ready() -> float:
    command = [str(_COMMAND), "serve", "--source", str(SAMPLES), "--host", "127.0.0.1", "--port", "0", "--health-port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=_environment()) as process:  # noqa: S603 - our own command
        try:
            for line in process.stderr or ():
                if line.startswith("ready:"):
                    return time.perf_counter() - began
        finally:
            process.terminate()
    raise RuntimeError("serve ended before it was ready")


def command(rounds: int, *arguments: str) -> Ratio:
    """Seconds that a command takes."""
    return Ratio.of([_run(arguments) for _ in range(rounds)])


def _run(arguments: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run([_COMMAND, *arguments], check=False, capture_output=True, env=_environment())  # noqa: S603 - our own command
    return time.perf_counter() - began


def _environment() -> dict[str, str]:
    """As a user has it, with compiled modules on disk."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
