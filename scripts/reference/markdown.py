"""Tables and code spans as both a code host and the site read them."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line for each row; a bar within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("".join(f"| {_escaped(cell)}" for cell in line) + "|\n" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|") + (" " if cell else "")


def code(text: str) -> str:
    """A code span, or nothing where there is no text."""
    return f"`{text}`" if text else ""


def amount(number: int) -> str:
    """A number as people read it: whole KiB and MiB."""
    for unit, size in (("MiB", 1024**2), ("KiB", 1024)):
        if number % size == 0:
            return f"{number // size} {unit}"
    return f"{number:,}"


def one_line(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())
