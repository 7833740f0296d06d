"""`python -m scripts.mutants selector template/names`: try the mutants of modules of the engine, and print those that live."""

import argparse
import sys
from typing import Final

import pytest

import scripts.mutants
from scripts.mutants import killed, making, trying

TESTS: Final = ("tests/engine", "tests/test_members.py")


def main() -> int:
    """Try the mutants of the modules that the command line names, `selector` or `template/names`; a folder stands for all of it."""
    parser = argparse.ArgumentParser(description=scripts.mutants.__doc__)
    parser.add_argument("modules", nargs="+")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--tests", nargs="+", default=TESTS)
    options = parser.parse_args()
    paths = [path for name in options.modules for path in (sorted((making.ENGINE / name).rglob("*.py")) or [making.ENGINE / f"{name}.py"])]
    left = killed.untried(paths)
    return pytest.main(
        ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", *options.tests], plugins=[trying.Trial(left, options.seconds)]
    )


if __name__ == "__main__":
    sys.exit(main())
