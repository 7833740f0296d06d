"""What was killed and what cannot be: a run goes on where the last one ended, and leaves out what no test can tell from the original."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from scripts.mutants import making

KILLED: Final = making.ROOT / "mutants"
"""What was killed, a file for each module: a run goes on where the one before it ended."""
EQUIVALENT: Final = making.ROOT / "tests" / "mutants.yaml"
"""By module and function: the lines that a mutant may have, and why no test can tell it from the original."""


def remember(mutant: making.Mutant) -> None:
    """Leave a mutant out of later runs, as long as its function is the same."""
    KILLED.mkdir(exist_ok=True)
    with (KILLED / mutant.module).open("a") as file:
        file.write(f"{mutant.key}\n")


def untried(paths: Sequence[Path]) -> list[making.Mutant]:
    """Make the mutants that were neither killed before nor are known as equivalent."""
    known = yaml.safe_load(EQUIVALENT.read_text()) or {}
    left = []
    for path in paths:
        made = list(making.mutants(path))
        name = made[0].module if made else ""
        file = KILLED / name
        killed = set(file.read_text().split()) if made and file.exists() else set()
        equal = {(function, one["line"]) for function, ones in known.get(name, {}).items() for one in ones}
        for function, line in sorted(equal - {(mutant.function, mutant.after) for mutant in made}):
            print(f"{EQUIVALENT.name}: no mutant of {name}:{function} has the line any more: {line}")
        left += [mutant for mutant in made if mutant.key not in killed and (mutant.function, mutant.after) not in equal]
    return left
