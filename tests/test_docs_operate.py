"""The page about operating names what there is: sections of check, states of status, metrics, drills."""

import re
from pathlib import Path

from mesh_injector.cli import health
from mesh_injector.cli.standings import State
from mesh_injector.metrics import Metrics

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "operate.md").read_text(encoding="utf-8")


def rows(title: str) -> list[str]:
    """The first cells of the table in a part of the page."""
    part = PAGE.partition(f"\n## {title}")[2].partition("\n## ")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in part.splitlines() if line.startswith("| ")]


def test_every_section_of_check_is_in_the_table() -> None:
    assert re.findall(r"`([a-z-]+)`", " ".join(rows("Is it healthy"))) == list(health.SECTIONS)


def test_every_state_of_a_pod_is_in_the_table() -> None:
    assert rows("Who is injected")[1:] == [state.value for state in State]


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    known = Metrics("0").text("")[0].decode()
    listed = (DOCS / "reference/metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"mesh_injector_([a-z_]+)", PAGE.partition("## Metrics")[2].partition("\n## ")[0])) - {""}
    assert len(named) >= 7
    assert [name for name in named if f"mesh_injector_{name}" not in known and f"| `mesh_injector_{name}`" not in listed] == []
