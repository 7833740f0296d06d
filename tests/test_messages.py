"""Every code is explained, and docs/messages.md is the list of them."""

from pathlib import Path

from mesh_injector import reasons
from mesh_injector.messages import MEANINGS
from mesh_injector.reasons import CODES

PAGE = Path(__file__).parent.parent / "docs" / "messages.md"


def test_every_code_has_a_meaning() -> None:
    constants = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str) and value.startswith("MI")}
    assert set(MEANINGS) == constants | set(CODES.values())


def test_a_code_that_is_a_reason_is_called_by_it() -> None:
    assert {code: MEANINGS[code].name for code in CODES.values()} == {code: reason.value for reason, code in CODES.items()}


def test_the_page_lists_every_code() -> None:
    rows = [f"| {code} | {meaning.name} | {meaning.what} | {meaning.fix} |" for code, meaning in MEANINGS.items()]
    rows = [row.replace("region|default", r"region\|default") for row in rows]
    listed = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| MI")]
    assert listed == rows
