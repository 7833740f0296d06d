"""The page of the metrics, from a registry in which everything has been counted once."""

from datetime import UTC, datetime

from mesh_injector.metrics import Metrics
from scripts.reference.markdown import code, table

_PREFIX = "mesh_injector_"
_INSIDE = ("le",)
"""Labels that the type of a metric brings, and not what is counted."""


def page() -> str:
    """Our metrics, in the order in which they are served."""
    return table(("metric", "type", "labels", "what"), (row for row in _rows(_counted())))


def _counted() -> Metrics:
    """One of everything, so that each family has a sample with its labels."""
    metrics = Metrics("0")
    metrics.loaded({"a/b": "Enforce"}, {"a/b": True}, {("true", "true"): 1})
    metrics.reviewed("injected", "Injected", "a/b", 0.1)
    metrics.reloaded([("a/b", "success")])
    metrics.certificate(datetime.now(UTC), datetime.now(UTC))
    metrics.leads(is_leader=True)
    metrics.caches = lambda: [("Mesh", True, 1.0, {"ended": 1})]
    return metrics


def _rows(metrics: Metrics) -> list[list[str]]:
    rows = []
    for family in metrics.collect():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = dict.fromkeys(name for sample in family.samples for name in sample.labels if name not in _INSIDE)
        kind = "gauge" if family.type == "info" else family.type
        rows.append([code(family.name + suffix), kind, ", ".join(map(code, labels)), family.documentation])
    return rows
