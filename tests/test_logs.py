"""Log lines as a collector and as a person reads them, and what must never be in them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from mesh_injector import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@pytest.fixture
def in_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def write(stream: io.StringIO, level: int = logging.INFO) -> structlog.typing.FilteringBoundLogger:
    logs.configure(level, stream)
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def fail() -> None:
    secret = "hunter" + "2"
    raise ValueError(f"a\x1b[2Jbug of {len(secret)}")


@pytest.mark.usefixtures("in_pod")
def test_a_line_in_a_pod_is_json() -> None:
    stream = io.StringIO()
    write(stream).info("review", uid="u", ms=0.25)
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "review", "level": "info", "uid": "u", "ms": 0.25}


@pytest.mark.usefixtures("in_pod")
def test_a_terminal_in_a_pod_gets_text_in_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    write(stream).info("review")
    assert "\x1b[" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.usefixtures("at_home")
def test_colours_can_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    write(stream).info("review")
    assert "\x1b[" not in stream.getvalue()


@pytest.mark.parametrize("place", ["in_pod", "at_home"])
def test_what_a_terminal_would_obey_is_escaped_and_what_is_long_is_cut(request: pytest.FixtureRequest, place: str) -> None:
    request.getfixturevalue(place)
    stream = io.StringIO()
    write(stream).info("review", uid="a\nFORGED\x1b[2J\u202e\x9b", name="x" * 5000)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue()[:-1].isprintable()
    assert len(stream.getvalue()) < 1500


@pytest.mark.parametrize("place", ["in_pod", "at_home"])
def test_a_traceback_is_whole_and_shows_no_values(request: pytest.FixtureRequest, place: str) -> None:
    request.getfixturevalue(place)
    stream = io.StringIO()
    log = write(stream)
    try:
        fail()
    except ValueError:
        log.exception("internal error", reference="r")
    told = stream.getvalue()
    assert "in fail" in told
    assert "bug of 7" in told
    assert "hunter2" not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING])
def test_only_lines_of_the_level_and_above_are_written(level: int) -> None:
    stream = io.StringIO()
    log = write(stream, level)
    for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(each, "line-%d", each)
    told = [each for each in (10, 20, 30, 40) if f"line-{each}" in stream.getvalue()]
    assert told == [each for each in (10, 20, 30, 40) if each >= level]


@pytest.mark.usefixtures("in_pod")
def test_a_library_speaks_through_the_same_renderer() -> None:
    stream = io.StringIO()
    write(stream)
    logging.getLogger("uvicorn.error").warning("Invalid %s received.\x1b", "request")
    logging.getLogger("asyncio").log(35, "between the levels")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"]) == ("Invalid request received.\\x1b", "warning", "uvicorn.error")
    assert (second["level"], second["logger"]) == ("warning", "asyncio")


def test_a_stream_that_is_gone_is_no_error() -> None:
    stream = io.StringIO()
    log = write(stream)
    stream.close()
    log.info("nobody reads this")
