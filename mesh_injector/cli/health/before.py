"""What is needed before an installation: the API server's own parts, the rights of whoever installs, and nothing in the way."""

from collections.abc import Iterator
from typing import Final

from mesh_injector.cli.health.finding import Finding, bad, good, odd, unseen
from mesh_injector.kube.survey import NAME, Right, Survey

_CLUSTER: Final = (
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("", "namespaces"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
)
_HOME: Final = (
    ("apps", "deployments"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "secrets"),
    ("coordination.k8s.io", "leases"),
    ("policy", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
)


def needed(home: str) -> tuple[Right, ...]:
    """Name the rights of whoever installs: to create each kind of object that config/default holds."""
    return (
        *(Right("create", group, resource) for group, resource in _CLUSTER),
        *(Right("create", group, resource, home) for group, resource in _HOME),
    )


def admission(seen: Survey) -> Iterator[Finding]:
    """Judge whether webhooks can be registered at all."""
    for part, kind in (("mutating", "MutatingWebhookConfigurations"), ("validating", "ValidatingWebhookConfigurations")):
        answer = seen.answers[part]
        yield unseen(f"whether {kind} are served", answer) if answer.error else good(f"{kind} are served")


def rights(seen: Survey) -> Iterator[Finding]:
    """Judge what the person may do."""
    missing = [right for right in seen.rights if not right.is_allowed]
    for right in missing:
        yield bad(f"you may not {right}", "let somebody install who may, such as a cluster-admin")
    if not missing:
        yield good(f"you may create the {len(seen.rights)} kinds of objects that are installed")


def remains(seen: Survey) -> Iterator[Finding]:
    """Judge what of an installation is there already."""
    there = [f"{kind} {name}" for part, kind, name in _parts(seen) if seen.answers[part].one]
    mutating = [one for one in seen.answers["mutating"].found if one["metadata"]["name"] == NAME]
    if mutating and not seen.answers["deployment"].one:
        held = len(mutating[0].get("webhooks") or ())
        fix = f"kubectl delete mutatingwebhookconfiguration {NAME}"
        yield bad(f"a MutatingWebhookConfiguration {NAME} with {held} entries was left behind: nobody answers them", fix)
    for one in there:
        yield odd(f"there is already: {one}", "installing again brings it up to date; check it without --pre")
    if not there and not mutating:
        yield good("nothing of an earlier installation is there")


def _parts(seen: Survey) -> Iterator[tuple[str, str, str]]:
    yield "crd", "CustomResourceDefinition", "meshes.mesh-injector.io"
    yield "deployment", "Deployment", f"{seen.home}/{NAME}"
    yield "service", "Service", f"{seen.home}/{NAME}"
