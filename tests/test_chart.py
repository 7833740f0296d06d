"""What the chart takes over is up to date, and every value is explained and checked."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector import __version__
from scripts import generate_chart
from scripts.generate_chart import CHART, ROOT

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", generate_chart.TAKEN_OVER)
def test_what_is_taken_over_is_as_it_is_there(name: str) -> None:
    assert (CHART / "files" / Path(name).name).read_bytes() == (ROOT / name).read_bytes(), "make chart"


def test_the_table_of_values_is_that_of_the_schema() -> None:
    assert (CHART / "README.md").read_text(encoding="utf-8") == generate_chart.readme(), "make chart"


def test_every_value_is_in_the_schema_and_every_one_of_the_schema_has_a_default() -> None:
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)
    nested = {name: about for name, about in SCHEMA["properties"].items() if name in VALUES and "properties" in about}
    assert {name: set(about["properties"]) for name, about in nested.items()} == {name: set(VALUES[name]) for name in nested}


def test_nothing_that_is_not_known_is_let_pass() -> None:
    closed = [about for about in (SCHEMA, *SCHEMA["properties"].values()) if "properties" in about]
    assert len(closed) > 5
    assert all(about["additionalProperties"] is False for about in closed)


def test_the_chart_is_of_this_release() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (about["version"], about["appVersion"]) == (__version__, __version__)
    images = yaml.safe_load((ROOT / "config" / "default" / "kustomization.yaml").read_text(encoding="utf-8"))["images"]
    assert images == [{"name": "mesh-injector", "newTag": __version__}]
