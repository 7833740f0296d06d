"""Draws `docs/demo.svg`, what `mesh-injector demo` shows in a terminal, from a real run.
The demo writes the same on every machine, so a test can hold the picture against it."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURE: Final = ROOT / "docs" / "demo.svg"
COMMAND: Final = "mesh-injector demo"
WIDTH: Final = 80
LINES: Final = 46
"""What fits a screen: the table, what was refused and why, and the beginning of the diff."""

_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def shown() -> list[str]:
    """The lines that the demo prints, with their colours. Raises CalledProcessError where it does not end well."""
    command = [sys.executable, "-m", "mesh_injector", "demo", "--color", "always"]
    screen = {**os.environ, "COLUMNS": str(WIDTH)}
    done = subprocess.run(command, cwd=ROOT, env=screen, capture_output=True, encoding="utf-8", timeout=120, check=True)
    return done.stdout.splitlines()


def draw(lines: list[str]) -> str:
    """The picture of a terminal with the command, the first of these lines, and `…` where there are more. It fetches no fonts."""
    console = Console(record=True, width=WIDTH, file=StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text(f"$ {COMMAND}", style="bold"))
    for line in lines[:LINES]:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis")
    if len(lines) > LINES:
        console.print(Text("…", style="dim"))
    return _FONTS.sub("", console.export_svg(title=COMMAND, unique_id="demo")) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(shown()), encoding="utf-8")
