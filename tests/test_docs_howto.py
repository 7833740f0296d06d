"""The tutorial and the how-tos are true: the files they show are written, their offline commands run, what they print is compared."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh_injector.cli import app

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS / "tutorial.md", DOCS / "values.md", *sorted((DOCS / "howto").glob("*.md"))]


def write(block: str) -> None:
    """Write a file that is shown with its name in the first line."""
    name = re.match(r"# (\S+\.yaml)\n", block)
    assert name, f"a file of a how-to begins with its name: {block[:60]}"
    Path(name[1]).parent.mkdir(parents=True, exist_ok=True)
    Path(name[1]).write_text(block, encoding="utf-8")


def run(block: str) -> tuple[str, str]:
    """What a console block shows and what its commands print; `…` on the page stands for anything."""
    commands = re.findall(r"^\$ mesh-injector (.*)$", block, re.MULTILINE)
    printed = [CliRunner().invoke(app.app, shlex.split(line, comments=True)).stdout for line in commands]
    shown = re.sub(r"^\$ .*\n", "", block, flags=re.MULTILINE)
    return tidy(shown), tidy("".join(printed))


def is_what_comes_out(block: str) -> bool:
    """Whether a console block shows what its commands print. Raises AssertionError with both where not."""
    shown, printed = run(block)
    found = re.fullmatch(".*?".join(map(re.escape, re.split(r"[ ]*…", shown))), printed, re.DOTALL) is not None
    assert found, f"shown:\n{shown}\nwhat comes out:\n{printed}"
    return found


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_how_to_shows_is_what_comes_out(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(yaml|console)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert "console" in dict(blocks)
    for kind, block in blocks:
        if kind == "yaml":
            write(block)
            continue
        assert is_what_comes_out(block)
