"""The pages about the template language are true: every example renders to what stands below it, every filter and test has one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.engine.template.filters import FILTERS
from mesh_injector.engine.template.skeleton import parse
from mesh_injector.engine.template.trials import TESTS
from mesh_injector.errors import InjectionError

DOCS = Path(__file__).parent.parent / "docs"
LANGUAGE = (DOCS / "templates.md").read_text(encoding="utf-8")
FILTER_PAGE = (DOCS / "template-filters.md").read_text(encoding="utf-8")
GIVEN: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", LANGUAGE, re.DOTALL)[0])
EXAMPLES = re.findall(r"```jinja\n(.*?)```\n\n```(yaml|text)\n(.*?)```", LANGUAGE, re.DOTALL)
ROWS = [
    [cell.strip().strip("`").replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in FILTER_PAGE.splitlines()
    if line.startswith("| `")
]


def rendered(text: str) -> Any:
    found = PatchTemplate(Source(text, "the template")).render(GIVEN)
    return found.body.get("spec", {}) if found.bare else found.body


def test_every_example_of_the_page_is_found() -> None:
    assert len(EXAMPLES) == LANGUAGE.count("```jinja\n") > 15
    assert len(ROWS) > 60


@pytest.mark.parametrize(("text", "kind", "expected"), EXAMPLES, ids=lambda part: part[:30] if isinstance(part, str) else None)
def test_an_example_gives_what_stands_below_it(text: str, kind: str, expected: str) -> None:
    if kind == "yaml":
        assert parse(expected) is not None, "the result is no strict YAML itself"
        assert rendered(text) == rendered(expected)
        return
    with pytest.raises(InjectionError) as caught:
        rendered(text)
    assert all(line in str(caught.value) for line in expected.splitlines())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[-2]))
def test_a_filter_or_test_gives_its_result(row: list[str]) -> None:
    assert json.dumps(rendered(f"v: {{{{ {row[-2]} }}}}")["v"]) == row[-1]


def test_every_filter_and_every_test_has_an_example() -> None:
    assert {row[0] for row in ROWS} == set(FILTERS) | set(TESTS)
    assert all(re.search(rf"(\||'|is ){re.escape(row[0])}", row[-2]) for row in ROWS)
