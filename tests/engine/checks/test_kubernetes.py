"""Our checks against Kubernetes' own: kubernetes_cases.json holds what its validation answered, and scripts/judge_cases.py asks it anew."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from mesh_injector.engine import schema

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "judge_cases.py"))
BUNDLED = json.loads((Path(__file__).parent / "kubernetes_cases.json").read_bytes())
IDS = [json.dumps(case["template"])[:90] for case in BUNDLED["cases"]]
LEFT_TO_KUBERNETES = [{"spec": {"dnsConfig": {"nameservers": ["010.1.1.1"]}}}]
"""What one release refuses and an older one takes."""


def test_the_cases_were_judged_by_the_release_that_we_know() -> None:
    assert BUNDLED["kubernetes"] == schema.KUBERNETES_VERSION


@pytest.mark.parametrize("case", BUNDLED["cases"], ids=IDS)
def test_what_kubernetes_refuses_is_found_and_what_it_accepts_is_not(case: dict[str, Any]) -> None:
    findings = SCRIPT["found"](case)
    assert findings == case["found"]
    assert bool(findings) == (bool(case["kubernetes"]) and case["template"] not in LEFT_TO_KUBERNETES)


@pytest.mark.parametrize("case", BUNDLED["cases"], ids=IDS)
def test_every_finding_has_a_field_and_a_fix(case: dict[str, Any]) -> None:
    for finding in case["found"]:
        field, _, rest = finding.partition(": ")
        assert field.startswith(("spec.", "metadata."))
        assert rest.rpartition("; ")[2]
