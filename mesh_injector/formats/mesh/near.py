"""What a pod's labels nearly were: a key or value that is written almost as a selector wants it, for people who look for the slip."""

import difflib
from collections.abc import Callable, Mapping
from typing import Final

from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.selector import Mismatch
from mesh_injector.formats.mesh.mesh import Mesh

LIKENED: Final = 63
"""So long may be what is likened: labels arrive unvalidated, and likening long texts takes seconds."""
_MOST: Final = 64


def hint(mesh: Mesh, pod: Pod, namespace: Namespace) -> str:
    """Say what was probably meant where a label almost fits the requirement that failed; empty where nothing is near."""
    return _first(_hint, mesh, pod, namespace)


def slip(mesh: Mesh, pod: Pod, namespace: Namespace) -> str:
    """Say how the Mesh would have to be written if the slip is there; empty where no label almost fits."""
    return _first(_slip, mesh, pod, namespace)


def _first(tell: Callable[[Mismatch, Mapping[str, str], str], str], mesh: Mesh, pod: Pod, namespace: Namespace) -> str:
    """Tell of the first selector that fails."""
    selectors = (
        ("namespaceSelector", mesh.namespace_selector, namespace.labels),
        ("podSelector", mesh.pod_selector, pod.labels),
    )
    for name, selector, labels in selectors:
        missed = selector.mismatch(labels) if selector is not None else None
        if missed is not None:
            return tell(missed, labels, name)
    return ""


def _hint(missed: Mismatch, labels: Mapping[str, str], _selector: str) -> str:
    key, value = _meant(missed, labels)
    if value:
        return f"; did you mean `{value}`?"
    return f"; it has `{key}: {labels[key]:.63}`: did you mean `{missed.requirement.key}`?" if key else ""


def _slip(missed: Mismatch, labels: Mapping[str, str], selector: str) -> str:
    key, _ = _meant(missed, labels)
    return f"`{key}: {labels[key]:.63}` in its `{selector}`" if key else ""


def _meant(missed: Mismatch, labels: Mapping[str, str]) -> tuple[str, str]:
    """Find the label that almost fits a requirement, and the wanted value that its own is almost; empty where there is none."""
    wanted = missed.requirement
    if wanted.operator == "In" and missed.found is not None:
        close = _close(missed.found, wanted.values)
        return (wanted.key, close) if close else ("", "")
    if wanted.operator in ("In", "Exists") and missed.found is None:
        return _other_key(wanted.key, wanted.values, labels), ""
    return "", ""


def _other_key(wanted: str, values: tuple[str, ...], labels: Mapping[str, str]) -> str:
    """Find a label that is written like the wanted key, or that has its last part and a wanted value."""
    close = _close(wanted, labels)
    if close:
        return close
    last = wanted.rpartition("/")[2]
    return next((key for key, value in labels.items() if value in values and last in (key, key.rpartition("/")[2])), "")


def _close(text: str, known: Mapping[str, str] | tuple[str, ...]) -> str:
    """Find the nearest text, whatever its case."""
    short = {one.lower(): one for one in list(known)[:_MOST] if len(one) <= LIKENED}
    found = difflib.get_close_matches(text.lower(), short, n=1, cutoff=0.65) if len(text) <= LIKENED else []
    return short[found[0]] if found else ""
