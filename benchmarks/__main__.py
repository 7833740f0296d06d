"""`python -m benchmarks`: run everything in one go, show progress and the table, and write the table into the docs when asked to."""

import argparse
import asyncio
import logging
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from typing import Final

from rich.console import Console
from rich.progress import Progress
from uvicorn.loops.auto import auto_loop_factory

from benchmarks import inside, memory, start, table
from benchmarks.measure import Load, Ratio, Rounds
from benchmarks.table import Figure
from mesh_injector import logs

ECHO: Final = Load("echo")
ECHO_30: Final = Load("echo", "30 KB", 0.6)
INJECTED: Final = Load("injected")
NAIVE: Final = Load("naive", share=0.02)
OVER_ECHO: Final = (
    ("full injection of a shape seen before, 10 KB pod", 0.55, INJECTED, ECHO),
    ("the same with metrics and one log line", 0.40, Load("observed"), ECHO),
    ("the same, 30 KB pod", 0.50, Load("injected", "30 KB", 0.6), ECHO_30),
    ("env and mounts into the pod's own containers", 0.30, Load("touching", share=0.6), ECHO),
    ("a pod that no mesh selects", 0.70, Load("injected", "not selected"), ECHO),
    ("a template that names `pod`", 0.12, Load("names-pod", share=0.3), ECHO),
    ("first sight, nothing remembered", 0.06, Load("first-sight", share=0.2), ECHO),
)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: to see that it runs, not to believe it")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each load (default: 7)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    chosen = parser.parse_args()
    logs.configure(logging.WARNING)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        figures = runner.run(_run(3 if chosen.quick else chosen.rounds, 0.1 if chosen.quick else 1.0, cores[0] if len(cores) > 1 else None))
    Console().print(table.on_terminal(figures))
    if chosen.write:
        table.write(figures, _circumstances(chosen.rounds))
    sys.exit(not all(figure.held for figure in figures))


async def _run(rounds: int, scale: float, core: int | None) -> list[Figure]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        figures = await _over_https(rounds, scale, core, progress)
        task = progress.add_task("inside one process", total=2)
        calls = int(4000 * scale)
        figures.append(Figure("100 meshes against 1 mesh, in process", 0.70, inside.many_meshes(rounds, calls)))
        progress.advance(task)
        each = inside.many_variables(rounds, calls)
        micro = Ratio(each.median * 1e6, each.least * 1e6, each.greatest * 1e6)
        figures.append(Figure("each of 2,000 env of a touched container", 1.0, micro, "us", most=True))
        progress.advance(task)
        figures += await _memory(scale, core, progress)
        task = progress.add_task("cold starts", total=None)
        figures.append(Figure("cold start to ready on a directory", 1.0, start.ready(max(rounds, 5)), "s", most=True))
        progress.remove_task(task)
    return figures


async def _over_https(rounds: int, scale: float, core: int | None, progress: Progress) -> list[Figure]:
    loads = [ECHO, ECHO_30, NAIVE, *(load for _, _, load, _ in OVER_ECHO)]
    measured = Rounds(loads, int(10_000 * scale), core)
    try:
        task = progress.add_task("over HTTPS", total=rounds * len(measured.loads))
        await measured.warm()
        for _ in range(rounds):
            for load in measured.loads:
                await measured.measure(load)
                progress.advance(task)
    finally:
        measured.stop()
    figures = [Figure(f"{what}, over the echo", bound, measured.ratio(load, base)) for what, bound, load, base in OVER_ECHO]
    figures.append(Figure("p99 over the echo's, 16 connections", 2.0, measured.latency(INJECTED, ECHO), most=True))
    figures.append(Figure("full injection over the naive handler", 60.0, measured.ratio(INJECTED, NAIVE)))
    return figures


async def _memory(scale: float, core: int | None, progress: Progress) -> list[Figure]:
    early, late = int(50_000 * scale), int(1_000_000 * scale)
    task = progress.add_task("memory", total=late)
    held = await memory.held(early, late, core, lambda done: progress.update(task, completed=done))
    mib = [Ratio.of([size / memory.MIB]) for size in (held.idle, held.full)]
    return [
        Figure(f"resident after {late:,} reviews over that after {early:,}", 1.05, Ratio.of([held.late / held.early]), most=True),
        Figure("resident, idle", 100, mib[0], "MiB", most=True),
        Figure("resident, every memory full", 160, mib[1], "MiB", most=True),
    ]


def _circumstances(rounds: int) -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("uvicorn", "uvloop", "httptools", "msgspec"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {versions}; "
        f"{rounds} rounds, TLS, 16 connections, the server on one core and the client on another."
    )


if __name__ == "__main__":
    main()
