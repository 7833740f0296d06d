"""The table: every figure that we hold ourselves to, what was measured, and whether it is held; printed, and written into the docs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from benchmarks.measure import Ratio

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- written by `make bench` -->", "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `bound` is held when the median is not below it, or with `most` not above it; `note` says how it was measured."""

    what: str
    bound: float
    measured: Ratio
    unit: str = ""
    most: bool = False
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether the promise is kept."""
        return self.measured.median <= self.bound if self.most else self.measured.median >= self.bound

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The row: what, bound, median, spread of the rounds, held or not."""
        sign = "at most" if self.most else "at least"
        measured, unit = self.measured, f" {self.unit}" if self.unit else ""
        spread = f"{_short(measured.least)} to {_short(measured.greatest)}"
        what = f"{self.what} ({self.note})" if self.note else self.what
        return what, f"{sign} {_short(self.bound)}{unit}", f"{_short(measured.median)}{unit}", spread, "yes" if self.held else "NO"


_HEAD: Final = ("figure", "promise", "median", "rounds", "held")


def _short(number: float) -> str:
    return f"{number:.2f}" if number < 20 else f"{number:,.0f}"


def on_terminal(figures: Sequence[Figure]) -> Table:
    """Make the table for a terminal."""
    table = Table(*_HEAD, title="mesh-injector, as ratios")
    for figure in figures:
        table.add_row(*figure.cells, style=None if figure.held else "bold red")
    return table


def write(figures: Sequence[Figure], circumstances: str, page: Path = PAGE) -> None:
    """Put the table into the docs page, between its two marks."""
    lines = [circumstances, "", f"| {' | '.join(_HEAD)} |", "|---|---|---:|---:|---|"]
    lines += [f"| {' | '.join(figure.cells)} |" for figure in figures]
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n{chr(10).join(lines)}\n{_END}{after}", encoding="utf-8")
