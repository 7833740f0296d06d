"""What signals tell a server: to end, once and then at once, or to look anew at what it follows. For the main thread."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Nudges:
    """Set to look now at what is looked at every so often."""

    source: asyncio.Event = field(default_factory=asyncio.Event)
    certificate: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self) -> None:
        """Nudge both."""
        self.source.set()
        self.certificate.set()


@contextlib.contextmanager
def heard(stop: asyncio.Future[int], nudges: Nudges) -> Iterator[None]:
    """Set the future at the first signal that ends a process; the second one does not wait for anybody. SIGHUP nudges."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.done():
            os._exit(128 + number)
        stop.set_result(number)

    def on_hang_up() -> None:
        _log.info("reading source and certificate anew, as SIGHUP asks")
        nudges.give()

    for number in _ENDING:
        loop.add_signal_handler(number, on_signal, number)
    loop.add_signal_handler(signal.SIGHUP, on_hang_up)
    try:
        yield
    finally:
        for number in (*_ENDING, signal.SIGHUP):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def ended_early(stop: asyncio.Future[int]) -> Iterator[asyncio.Event]:
    """Leave the block where a signal comes before the event is set: a cluster may take for ever to answer."""
    task, begun = asyncio.current_task(), asyncio.Event()
    stop.add_done_callback(lambda _: None if begun.is_set() or task is None else task.cancel())
    try:
        yield begun
    except asyncio.CancelledError:
        if begun.is_set() or not stop.done():
            raise
        _log.info("stopping", signal=signal.Signals(stop.result()).name)
