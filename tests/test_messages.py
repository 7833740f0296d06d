"""Every code is explained."""

from mesh_injector import reasons
from mesh_injector.messages import MEANINGS
from mesh_injector.reasons import CODES


def test_every_code_has_a_meaning() -> None:
    constants = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str) and value.startswith("MI")}
    assert set(MEANINGS) == constants | set(CODES.values())


def test_a_code_that_is_a_reason_is_called_by_it() -> None:
    assert {code: MEANINGS[code].name for code in CODES.values()} == {code: reason.value for reason, code in CODES.items()}
