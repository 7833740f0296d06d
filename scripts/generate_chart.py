"""Write what the chart takes over: files of `config/` and the CRD as they are, and the table of values in its README from their schema."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parent.parent
CHART: Final = ROOT / "charts" / "mesh-injector"
TAKEN_OVER: Final = ("crds/mesh-injector.io_meshes.yaml", "config/prometheus/rules.yaml", "config/grafana/dashboard.json")
"""Files that the chart holds a copy of, since a chart reads nothing outside its folder."""
_TABLE: Final = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- end of values -->)", re.DOTALL)


def rows(schema: dict[str, Any], values: Any, above: str = "") -> Iterator[str]:
    """Give a row for each value: its name, default and meaning."""
    for name, about in schema["properties"].items():
        if "properties" in about and name != "issuerRef":
            yield from rows(about, values[name], f"{above}{name}.")
        elif name in values:
            yield f"| `{above}{name}` | `{json.dumps(values[name], ensure_ascii=False)}` | {about['description']} |"


def readme() -> str:
    """Give the README with the table as the schema has it now."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    table = "\n".join(("| value | default | |", "|---|---|---|", *rows(schema, values), ""))
    return _TABLE.sub(lambda _: table, (CHART / "README.md").read_text(encoding="utf-8"))


def main() -> None:
    """Write all of it."""
    for name in TAKEN_OVER:
        (CHART / "files" / Path(name).name).write_bytes((ROOT / name).read_bytes())
    (CHART / "README.md").write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
