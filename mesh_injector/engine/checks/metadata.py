"""Labels and annotations that a template brings, as the API server checks them, and the annotations that mean something to it.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/ and /labels/.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from mesh_injector.engine.checks import grammar
from mesh_injector.engine.checks.finding import Finding

RECORD: Final = "mesh-injector.io/status"
"""The annotation that is ours alone."""
APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
"""What an annotation begins with that names a container's AppArmor profile."""
SECCOMP: Final = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")
"""What annotations begin with that named seccomp profiles before Kubernetes 1.27; their form is still checked."""
MOST_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all keys and values of a pod's annotations."""

_PROFILES: Final = {
    APPARMOR: (("", "runtime/default", "unconfined"), "runtime/default, unconfined or localhost/…"),
    **dict.fromkeys(SECCOMP, (("runtime/default", "docker/default", "unconfined"), "runtime/default, unconfined or localhost/…")),
}


def find(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    """Find keys and values that the API server would refuse; it lets keys of annotations have capitals in their prefix."""
    for key, value in (metadata.get("labels") or {}).items():
        if not grammar.QUALIFIED.holds(key):
            yield Finding(("metadata", "labels", key), grammar.QUALIFIED.what, grammar.QUALIFIED.fix)
        if not grammar.LABEL_VALUE.holds(value):
            fix = f"{grammar.LABEL_VALUE.fix}, or an annotation"
            yield Finding(("metadata", "labels", key), f"{value!r:.80} {grammar.LABEL_VALUE.what}", fix)
    yield from _annotations(metadata.get("annotations") or {})
    yield from controllers(metadata.get("ownerReferences") or ())


def controllers(owners: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/; one controller at most."""
    if sum(owner.get("controller") is True for owner in owners) > 1:
        yield Finding(("metadata", "ownerReferences"), "would be several with `controller: true`, of 1 allowed", "remove it")


def _annotations(annotations: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in annotations.items():
        if not grammar.is_qualified(key):
            yield Finding(("metadata", "annotations", key), grammar.QUALIFIED.what, grammar.QUALIFIED.fix)
        for prefix, (words, told) in _PROFILES.items():
            if key.startswith(prefix) and value not in words and not value.startswith("localhost/"):
                yield Finding(("metadata", "annotations", key), f"{value!r:.80} is no profile", f"use {told}")
    if RECORD in annotations:
        yield Finding(("metadata", "annotations", RECORD), "is the record, which the injector writes itself", "remove it")
    size = sum(len(f"{key}{value}".encode("utf-8", "surrogatepass")) for key, value in annotations.items())
    if size > MOST_ANNOTATIONS:
        yield Finding(("metadata", "annotations"), f"take {size} bytes, of {MOST_ANNOTATIONS} allowed", "bring fewer or shorter ones")
