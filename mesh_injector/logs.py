"""How log lines look: JSON in a pod, text elsewhere, and the lines of libraries through the same renderer.

Ids, sizes and field paths are logged; never a pod, its env or annotations, template text or a patch.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

VALUE_CHARACTERS: Final = 1000
"""The longest value of a line; what we are sent may be megabytes long. A traceback is never cut."""


def configure(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Write lines of `level` (a number of the standard library's `logging`) and above to a stream, by default standard error."""
    stream = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _printable,
            _renderer(stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(_Unfailing(stream)),  # type: ignore[arg-type]
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(max(level, logging.WARNING))


def _renderer(stream: TextIO) -> Processor:
    """JSON where a log collector reads, text where a person does."""
    if "KUBERNETES_SERVICE_HOST" in os.environ and not stream.isatty():
        return structlog.processors.JSONRenderer(serializer=_json)
    # The formatter that structlog prefers shows local variables, and among them the pod.
    is_coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=is_coloured, exception_formatter=structlog.dev.plain_traceback)


def _json(line: EventDict, **_: Any) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()


def _printable(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Escape what a terminal would obey, and cut what is too long."""
    text = "".join([value for value in line.values() if value.__class__ is str])
    if len(text) <= VALUE_CHARACTERS and text.isprintable():
        return line
    for key, value in line.items():
        if key == "exception":
            line[key] = "\n".join(map(_escape, value.split("\n")))
        elif isinstance(value, str):
            line[key] = _escape(value if len(value) <= VALUE_CHARACTERS else f"{value[:VALUE_CHARACTERS]}…")
    return line


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


class _Unfailing:
    """A stream whose reader may go away: a line that cannot be written must not cost an answer."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        try:  # a context manager would take longer than the rest
            self._stream.write(text)
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return


class Sparing:
    """A logger for what strangers can cause as often as they like: at most `LINES` of one event in `PERIOD_SECONDS`.

    The first line after that says by `suppressed` how many were left out. An event is a constant text, so that there are few of them.
    """

    LINES: Final = 20
    PERIOD_SECONDS: Final = 10.0
    EVENTS: Final = 256

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._periods: dict[str, tuple[float, int]] = {}

    def log(self, level: int, event: str, *, key: str = "", **fields: Any) -> None:
        """Write a line of a level, a number of the standard library's `logging`; `key` stands for an event whose text varies."""
        now, key = self._clock(), key or event
        began, lines = self._periods.get(key, (now, 0))
        suppressed = 0
        if now - began >= self.PERIOD_SECONDS:
            suppressed = max(lines - self.LINES, 0)
            began, lines = now, 0
        if len(self._periods) > self.EVENTS:
            self._periods.clear()
        self._periods[key] = began, lines + 1
        if lines < self.LINES:
            self._log.log(level, event, **fields, **({"suppressed": suppressed} if suppressed else {}))

    def info(self, event: str, **fields: Any) -> None:
        """Write a line of level info."""
        self.log(logging.INFO, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write a line of level warning."""
        self.log(logging.WARNING, event, **fields)


class _Forward(logging.Handler):
    """Hands the lines of libraries, which log by the standard library, to our renderer."""

    def __init__(self) -> None:
        super().__init__()
        self._log = Sparing(structlog.get_logger())

    def emit(self, record: logging.LogRecord) -> None:
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        self._log.log(level, record.getMessage(), key=str(record.msg), logger=record.name, exc_info=record.exc_info)
