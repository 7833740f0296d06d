"""`python -m benchmarks.instructions`: what one review costs in instructions of the whole server, counted by callgrind.

A busy machine changes processor time by half and this by a hundredth, so a change is judged by it. It says nothing of the kernel, and
takes each instruction for one, though ours miss caches and branches more often than encryption does: times are what `make bench` says.
"""

import asyncio
import re
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table
from uvicorn.loops.auto import auto_loop_factory

from benchmarks.load import CONNECTIONS, Client
from benchmarks.measure import BODIES, Load
from benchmarks.process import Subject

LOADS: Final = (
    Load("echo"),
    Load("injected"),
    Load("observed"),
    Load("touching"),
    Load("injected", "not selected"),
    Load("names-pod", share=0.3),
    Load("first-sight", share=0.2),
)
_REVIEWS: Final = (100, 500)
_WARMING: Final = 200
_COLLECTED: Final = re.compile(r"Collected : (\d+)")


def main() -> None:
    """Count, and print the table."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed: `apt install valgrind`, or `dnf install valgrind`")
    table = Table("what is answered", "instructions", "over the echo's")
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        loads = track(LOADS, "counting", console=Console(stderr=True), transient=True)
        counts = {load: runner.run(_count(load)) for load in loads}
    for load, count in counts.items():
        table.add_row(f"{load.subject}, {load.bodies}", f"{count:,.0f}", f"{counts[LOADS[0]] / count:.2f}")
    Console().print(table)


async def _count(load: Load) -> float:
    """The instructions of one review: of so many more reviews, since counting begins a moment after it is asked for."""
    few, many = (max(int(reviews * load.share), CONNECTIONS) for reviews in _REVIEWS)
    return (await _counted(load, many) - await _counted(load, few)) / (many - few)


async def _counted(load: Load, reviews: int) -> int:
    """The instructions of so many reviews in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told")
        tool = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--log-file={told}", f"--callgrind-out-file={folder}/out")
        subject = Subject(load.subject, None, tool)
        try:
            client, bodies = Client(subject.port), BODIES[load.bodies]()
            await client.connect()
            await client.send(bodies, _WARMING)
            await _switch("on", subject.pid)
            await client.send(bodies, reviews)
            await _switch("off", subject.pid)
            client.close()
        finally:
            subject.stop()
        return sum(map(int, _COLLECTED.findall(told.read_text())))  # noqa: ASYNC240 - nothing else runs here


async def _switch(to: str, pid: int) -> None:
    command = await asyncio.create_subprocess_exec("callgrind_control", "-i", to, str(pid), stdout=DEVNULL, stderr=DEVNULL)
    if await command.wait():
        raise RuntimeError(f"callgrind_control cannot switch counting {to}")


if __name__ == "__main__":
    main()
