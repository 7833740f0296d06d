"""Alerts and dashboard ask for metrics that there are, by labels and words that they have; Prometheus' own grammar reads every query."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from mesh_injector.engine.outcome import Verdict
from mesh_injector.metrics import Metrics
from mesh_injector.reasons import Reason

CONFIG = Path(__file__).parents[1] / "config"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((CONFIG / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))["spec"]["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((CONFIG / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
TARGET = {"pod", "namespace", "job", "instance", "service", "endpoint", "container"}
"""What Prometheus adds to every series of a target that a ServiceMonitor finds."""
WORDS = {
    "reason": {each.value for each in Reason},
    "outcome": {each.value for each in Verdict},
    "result": {"success", "failure"},
    "auto_inject": {"true", "false", "unknown"},
    "ready": {"true", "false"},
    "job": {"mesh-injector-metrics"},
}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}


def queries() -> dict[str, str]:
    """Every query by where it stands; a range that Grafana fills in is one that Prometheus reads."""
    panels = ((f"{panel['title']} {target['refId']}", target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"])
    return {rule["alert"]: rule["expr"] for rule in RULES} | {where: expr.replace("$__rate_interval", "5m") for where, expr in panels}


def served() -> dict[str, set[str]]:
    """The name of each series that a replica serves, and its labels."""
    metrics = Metrics("1")
    metrics.certificate(datetime.now(UTC))
    metrics.leads(True)
    found: dict[str, set[str]] = {}
    for family in metrics._registry.collect():
        labels = set(getattr(family, "_labelnames", ())) | {name for sample in family.samples for name in sample.labels}
        for suffix in SUFFIXES[family.type]:
            found[family.name + suffix] = labels | TARGET | ({"le"} if suffix == "_bucket" else set())
    return found


def selectors(expression: Any) -> Iterator[Any]:
    """Every selector of series in an expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for part in ("expr", "lhs", "rhs", "vector_selector"):
        if hasattr(expression, part):
            yield from selectors(getattr(expression, part))
    for argument in getattr(expression, "args", ()):
        yield from selectors(argument)


def grouped(expression: str) -> set[str]:
    """The labels by which a query groups."""
    return {name.strip() for names in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", expression) for name in names.split(",")} - {""}


@pytest.mark.parametrize("where", queries())
def test_a_query_names_series_and_labels_that_are_served(where: str) -> None:
    expression, known = queries()[where], served()
    named = list(selectors(promql_parser.parse(expression)))
    assert named
    assert [one.name for one in named if one.name not in known] == []
    labels = set.intersection(*(known[one.name] for one in named))
    assert grouped(expression) - labels == set()
    for matcher in (matcher for one in named for matcher in one.matchers.matchers):
        assert matcher.name in labels
        assert set(matcher.value.split("|")) <= WORDS[matcher.name], matcher.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert len(rule["annotations"]["runbook"]) > 60


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_tells_only_labels_that_its_query_leaves(rule: dict[str, Any]) -> None:
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    (first, *_) = selectors(promql_parser.parse(rule["expr"]))
    is_grouped = re.search(r"\b(?:sum|min|max|count|absent)\b", rule["expr"])
    assert told <= (grouped(rule["expr"]) if is_grouped else served()[first.name])


def test_everything_that_must_wake_somebody_has_an_alert() -> None:
    expressions = " ".join(rule["expr"] for rule in RULES)
    wanted = (
        'outcome="refused"',
        "cache_synced",
        "certificate_expiry",
        "Overloaded",
        "last_event",
        "_leader",
        "template_valid",
        "Internal",
    )
    assert [one for one in wanted if one not in expressions] == []


def test_the_panels_have_a_number_each_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [(x, y) for panel in panels for x in range(*edges(panel, "x", "w")) for y in range(*edges(panel, "y", "h"))]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def edges(panel: dict[str, Any], start: str, length: str) -> tuple[int, int]:
    return panel["gridPos"][start], panel["gridPos"][start] + panel["gridPos"][length]
