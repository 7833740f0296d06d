import functools
import os
import re
import subprocess
import sys

import pytest

STYLE = re.compile(r"\x1b\[([0-9;]*)m")


@functools.cache
def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mesh_injector", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment})


def test_the_demo_shows_the_whole_path_and_ends_by_itself() -> None:
    result = demo()
    assert result.returncode == 0
    assert "at https://127.0.0.1:" in result.stderr
    table, diff, patch, following = sections(result.stdout)
    assert "cart-b7678ff4b-*" in table
    assert "ContainerPortMissing" in table
    assert "+  - name: envoy" in diff
    assert "add     /spec/containers/-" in patch
    assert "inject -f" in following


def sections(text: str) -> list[str]:
    """Split at the four titles, which are ruled lines."""
    parts = [""]
    for line in text.splitlines(keepends=True):
        if line.rstrip().endswith("───"):
            parts.append("")
        parts[-1] += line
    return parts[1:]


def test_colour_is_for_those_who_ask_for_it() -> None:
    assert "\x1b[" not in demo().stdout
    assert "\x1b[32m+" in demo("--color", "always").stdout


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_of_any_usual_width_breaks_no_line_and_no_word(width: int) -> None:
    shown = STYLE.sub("", demo("--color", "always", COLUMNS=str(width)).stdout)
    table, *_ = sections(shown)
    assert max(map(len, shown.partition("What to try next")[0].splitlines())) <= width
    assert "VirtualNodeLabelMissing" in table
    assert "`mesh-injector.io/virtual-node`" in table
    assert "shop/cart-b7678ff4b-*" in table


def test_a_pipe_is_as_wide_as_the_environment_says() -> None:
    def width(shown: str) -> int:
        return max(map(len, shown.partition("What to try next")[0].splitlines()))

    assert width(demo(COLUMNS="90").stdout) == 90
    assert width(demo(COLUMNS="").stdout) == width(demo(COLUMNS="wide").stdout) == 160


def test_every_colour_can_be_read_on_a_dark_and_on_a_light_background() -> None:
    codes = {code for style in STYLE.findall(demo("--color", "always").stdout) for code in style.split(";")}
    assert codes <= {"0", "1", "2", "31", "32", "36"}, "bright colours and yellow vanish on white, blue on black"


def test_without_colour_the_words_are_the_same() -> None:
    def words(text: str) -> list[str]:
        return STYLE.sub("", text).split()

    plain, coloured = (demo("--color", "always", COLUMNS="100", NO_COLOR=value).stdout for value in ("1", ""))
    assert words(plain) == words(coloured)
    assert {code for style in STYLE.findall(plain) for code in style.split(";")} <= {"0", "1", "2"}
