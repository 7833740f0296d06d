"""Child processes of the end-to-end tests: each leads a process group of its own, writes a log, and ends with the run, even a killed one.

`running` lists those that live, so that a failing test can show what they said last; waiting for anything happens in `eventually`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")
running: Final[list["Child"]] = []
"""The children that live, oldest first."""


@dataclass(eq=False)
class Child:
    """A process that was started here, and the file that holds what it says."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def said(self) -> str:
        """Read all that it said up to now."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def tail(self, lines: int = 40) -> str:
        """Read its last lines."""
        return "\n".join(self.said().splitlines()[-lines:])

    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children, if it lives."""
        if self.lives():
            os.killpg(self.process.pid, number)

    def freeze(self) -> None:
        """Stop it where it is: it keeps its connections and answers nothing."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def end(self, seconds: float = 10) -> None:
        """Ask it to end, and kill it where it does not."""
        self.thaw()
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without asking."""
        self.signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def child(command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Run a command while the block lasts."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    started = Child(log.stem, log, process)
    running.append(started)
    with _watched(process.pid):
        try:
            yield started
        finally:
            started.end()
            running.remove(started)


@contextlib.contextmanager
def _watched(group: int) -> Iterator[None]:
    """Have a process group killed where this process ends within the block: its pipe then closes before a word came.

    A parent-death signal would not do: Linux forgets it where a child enters a user namespace, as those of the stand do.
    """
    command = ["sh", "-c", 'read -r ended || kill -s KILL -- "-$1"', "watchdog", str(group)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watchdog:
        try:
            yield
        finally:
            watchdog.communicate(b"ended\n")


def eventually(question: Callable[[], T], what: str, seconds: float = 30, while_lives: Sequence[Child] = ()) -> T:
    """Ask until the answer is true and return it; fail after some seconds, and at once where a process that it needs has ended."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        ended = [one for one in while_lives if not one.lives()]
        assert not ended, f"{what}: {ended[0].name} has ended:\n{ended[0].tail()}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return answer


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Find ports that nobody listens on; all are held until the last is found, so no two are the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((address, 0))
        found: list[Any] = [one.getsockname()[1] for one in sockets]
    return found
