"""Is an installation healthy: each module judges a part of what was seen, as pure functions that iterate over findings.

`SECTIONS` is the order in which `check` tells them, `BEFORE` what it tells before there is an installation.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from mesh_injector.cli.health import access, before, meshes, registered, running, trust
from mesh_injector.cli.health.finding import Finding, Level
from mesh_injector.kube.survey import Survey

__all__ = ["BEFORE", "SECTIONS", "Finding", "Level"]

Judge = Callable[[Survey], Iterator[Finding]]

SECTIONS: Final[Mapping[str, Judge]] = {
    "kubernetes-api": access.api,
    "mesh-crd": access.crd,
    "rights-of-the-injector": access.rights,
    "replicas": running.replicas,
    "service": running.service,
    "leader": running.leader,
    "certificate": trust.certificate,
    "registration": registered.entries,
    "validation": registered.validation,
    "meshes": meshes.conditions,
    "namespaces": meshes.namespaces,
    "other-webhooks": registered.others,
}
BEFORE: Final[Mapping[str, Judge]] = {
    "kubernetes-api": access.api,
    "admission": before.admission,
    "your-rights": before.rights,
    "what-is-there": before.remains,
}
