from typing import Any

import pytest

from mesh_injector.engine.template.skeleton import resolve
from mesh_injector.reasons import Reason

PLAIN = {
    "": None, "~": None, "null": None, "Null": "Null", "true": True, "false": False, "True": "True", "TRUE": "TRUE",
    "yes": "yes", "no": "no", "on": "on", "off": "off", "y": "y", "0": 0, "-0": 0, "12": 12, "-12": -12, "+12": "+12", "012": "012",
    "0x1F": "0x1F", "0o17": "0o17", "0b1": "0b1", "1_000": "1_000", "1.10": 1.1, "1.": "1.", ".5": ".5", "-1.5": -1.5, "1e3": 1000.0,
    "1E-2": 0.01, "e3": "e3", "2026-01-02": "2026-01-02", "2026-01-02T03:04:05Z": "2026-01-02T03:04:05Z", "1:30": "1:30", ".inf": ".inf",
    ".nan": ".nan", "=": "=", "9" * 41: "9" * 41, "1.2.3": "1.2.3", "٣": "٣", "1\u2028": "1\u2028",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PLAIN.items())
def test_a_plain_scalar_has_the_type_that_json_would_give_it(text: str, expected: object) -> None:
    found = resolve(text)
    assert (found, type(found)) == (expected, type(expected))


REFUSED = {
    "v: !!str 1": ("the tag `tag:yaml.org,2002:str`", "quote what must be text"),
    "v: !!python/object:os.system a": ("the tag `tag:yaml.org,2002:python/object:os.system`", "remove it"),
    "v: !mine {a: 1}": ("the tag `!mine`", "remove it"),
    "v: ! a": ("the tag `!`", "remove it"),
    "v: &a 1": ("an anchor or alias", "{% set %}"),
    "v: &a [1]": ("an anchor or alias", "{% set %}"),
    "v: *a": ("an anchor or alias", "{% set %}"),
    "&a v: 1": ("an anchor or alias", "{% set %}"),
    "v: {<<: {a: 1}}": ("the merge key `<<`", "write the fields out"),
    "%YAML 1.1\n---\nv: 1": ("a `%` directive", "remove it"),
    "%TAG ! tag:a,2000:\n---\nv: 1": ("a `%` directive", "remove it"),
    "v: 1\n---\nw: 2": ("a second document", "render one document"),
    "v: 1\n---": ("a second document", "render one document"),
    "v: 1\nv: 2": ("the key `v` twice", "remove one of them"),
    "v: 1\n'v': 2": ("the key `v` twice", "remove one of them"),
    "1: 1\n'1': 2": ("the key `1` twice", "remove one of them"),
    "v: {a: 1, b: 2, a: 3}": ("the key `a` twice", "remove one of them"),
    "[a]: 1": ("a list or mapping as a key", "keys are text"),
    "{a: b}: 1": ("a list or mapping as a key", "keys are text"),
    "? - a\n: 1": ("a list or mapping as a key", "keys are text"),
    f"v: {'[' * 65}{']' * 65}": ("structure nested deeper than 64", "make it flatter"),
    "v: [": ("the rendered text is not YAML: a value is missing here, or a bracket before it is not closed", "close the bracket"),
    "v: a: b": ("the rendered text is not YAML: a second colon in one line", "put the value in quotes"),
    "v: 'a": ("the rendered text is not YAML: a quote is opened here and never closed", "close the quote"),
    'v: "\\q"': ("the rendered text is not YAML: an escape that YAML does not know", "double the backslash"),
    "v: @a": ("the rendered text is not YAML: a value cannot begin with `@`", "put the value in quotes"),
    "v:\n\t- a": ("the rendered text is not YAML: a tab where only spaces may indent", "indent with spaces"),
    'v: "\\uE0000\\uE001"': ("an escape of a private-use character", "remove it"),
    "v: &{{ 1 }} a": ("the rendered text is not YAML: `*` and `&` begin an alias or an anchor", "put the value in quotes"),
    "v: *{{ 1 }}": ("the rendered text is not YAML: `*` and `&` begin an alias or an anchor", "put the value in quotes"),
    "v: !{{ 'a' }} b": ("the rendered text is not YAML", "check the indentation"),
    'v: "\\{{ 1 }}"': ("the rendered text is not YAML: an escape that YAML does not know", "double the backslash"),
}


@pytest.mark.parametrize(("text", "what", "fix"), [(text, *told) for text, told in REFUSED.items()])
def test_what_yaml_adds_to_json_is_refused_with_its_line(refuse: Any, text: str, what: str, fix: str) -> None:
    error = refuse(text)
    assert error.reason is Reason.RENDERED_NOT_YAML
    assert what in error.problem.what
    assert fix in error.problem.fix
    assert "line " in error.problem.where


def test_a_control_character_in_the_template_is_not_yaml(refuse: Any) -> None:
    assert "a character that cannot be printed" in refuse("v: \x00").problem.what


def test_structure_of_64_levels_is_allowed(render: Any) -> None:
    depth, found = 0, render(f"v: {'[' * 63}{']' * 63}")["v"]
    while found:
        depth, found = depth + 1, found[0]
    assert depth == 62


def test_keys_are_text_as_they_are_spelt(render: Any) -> None:
    assert render("1.10: a\ntrue: b\n~: c\n012: d\n'': e\n? f\n: g") == {"1.10": "a", "true": "b", "~": "c", "012": "d", "": "e", "f": "g"}
