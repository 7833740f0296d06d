"""The security model names tests that there are, and says of each kind of attacker what holds him."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_claim_names_a_test_that_there_is(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_test_is_named_in_a_way_that_is_held() -> None:
    assert len(NAMED) == PAGE.count("::") > 30


def test_what_somebody_cannot_do_is_held_by_a_test() -> None:
    claims = re.findall(r"^\*\*Cannot\*\*.*\n(?:.+\n)*\n(.*)", PAGE, re.MULTILINE)
    assert len(claims) == PAGE.count("**Cannot**") > 10
    assert [below for below in claims if not below.startswith("* `tests/")] == []
