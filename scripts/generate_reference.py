"""Write what the reference says of the code: pages of docs/reference/ and tables of other pages, each between two marks.

python -m scripts.generate_reference            write them
python -m scripts.generate_reference --check    does docs/ say what the code says? exit 1 if not
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from scripts.reference import commands, mesh, numbers, serving, templates, vocabulary

DOCS: Final = Path(__file__).parents[1] / "docs"
PARTS: Final[Mapping[tuple[str, str], Callable[[], str]]] = {
    ("reference/commands.md", "commands"): commands.page,
    ("reference/mesh.md", "fields"): mesh.page,
    ("reference/metrics.md", "metrics"): numbers.page,
    ("messages.md", "codes"): vocabulary.codes,
    ("messages.md", "reasons"): vocabulary.answers,
    ("templates.md", "variables"): templates.variables,
    ("templates.md", "bounds"): templates.limits,
    ("serving.md", "limits"): serving.bounds,
}
"""What stands between the marks of a name on a page; everything else on the page is written by hand."""


def page(name: str, text: str) -> str:
    """A page with its parts as the code has them now. Raises ValueError where a part's marks are missing."""
    for (on, part), make in PARTS.items():
        if on == name:
            text = _placed(text, name, part, make())
    return text


def _placed(text: str, name: str, part: str, made: str) -> str:
    head, begin, rest = text.partition(f"<!-- {part}: written by make reference -->\n")
    _, end, tail = rest.partition(f"<!-- end of {part} -->")
    if not end:
        raise ValueError(f"{name} lacks the marks of `{part}`")
    return f"{head}{begin}\n{made}\n{end}{tail}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write what the reference says of the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not what would be written")
    is_check = parser.parse_args(arguments).check
    for name in dict.fromkeys(name for name, _ in PARTS):
        target = DOCS / name
        text = target.read_text(encoding="utf-8")
        made = page(name, text)
        if is_check and made != text:
            sys.exit(f"{target} is not what the code says: run `make reference` and commit the page")
        target.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
