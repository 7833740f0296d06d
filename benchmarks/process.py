"""A subject in a process of its own, pinned to one core, and what it says about itself: processor time and memory.

`python -m benchmarks.process SUBJECT` serves until its standard input ends; each line there is answered by one line of JSON.
"""

import asyncio
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from uvicorn.loops.auto import auto_loop_factory

from benchmarks import subjects
from mesh_injector import certs, logs
from mesh_injector.server import listener
from mesh_injector.server.options import Limits

PAGE: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it began: processor time in seconds; and its resident memory now, in bytes."""

    cpu: float
    resident: int


class Subject:
    """A running subject, as the parent sees it."""

    def __init__(self, name: str, core: int | None, tool: Sequence[str] = ()) -> None:
        """Start it on a core, under a tool that watches it if one is given."""
        command = [*tool, sys.executable, "-m", "benchmarks.process", name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        if core is not None:
            os.sched_setaffinity(self._process.pid, {core})
        self.pid = self._process.pid
        self.port = int(self._answer()["port"])

    def usage(self) -> Usage:
        """Ask the process what it has used."""
        print("usage", file=self._process.stdin, flush=True)
        answer = self._answer()
        return Usage(answer["cpu"], int(answer["resident"]))

    def _answer(self) -> dict[str, float]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the process of a subject ended with {self._process.wait()}")
        answer: dict[str, float] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process and wait for it."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(30)


async def _serve(name: str) -> None:
    pair = certs.issue(("localhost", "127.0.0.1"), datetime.now(UTC))
    asked: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: asked.put_nowait(sys.stdin.readline()))
    with listener.bind("127.0.0.1", 0, "--port") as port:
        async with listener.accepting(subjects.SUBJECTS[name](), port, Limits(), certs.context(pair)):
            print(json.dumps({"port": port.getsockname()[1]}), flush=True)
            while await asked.get():
                print(json.dumps({"cpu": time.process_time(), "resident": _resident()}), flush=True)


def _resident() -> int:
    """Read the resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


if __name__ == "__main__":
    logs.configure(logging.WARNING)
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(_serve(sys.argv[1]))
