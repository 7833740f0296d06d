"""The API server, the CustomResourceDefinition, and the rights of the installation's account."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from mesh_injector.cli.health.finding import INSTALL, Finding, bad, good, odd, unseen
from mesh_injector.formats.mesh import spec
from mesh_injector.kube.survey import NAME, SECRET, Right, Survey

OLDEST: Final = (1, 30)
"""`matchConditions` are stable since then: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/."""
_ADMISSION: Final = "admissionregistration.k8s.io"
_READ: Final = ("get", "list", "watch")


def needed(home: str) -> tuple[Right, ...]:
    """Name the rights without which the injector cannot work: those of config/rbac."""
    return (
        *(Right(verb, spec.GROUP, "meshes") for verb in _READ),
        Right("patch", spec.GROUP, "meshes/status"),
        *(Right(verb, "", "namespaces") for verb in _READ),
        *(Right(verb, _ADMISSION, kind, name=NAME) for kind in _CONFIGURATIONS for verb in (*_READ, "patch")),
        *(Right(verb, "", "secrets", home, SECRET) for verb in (*_READ, "update")),
        *(Right(verb, "coordination.k8s.io", "leases", home, NAME) for verb in ("get", "update")),
        *(Right(verb, "events.k8s.io", "events") for verb in ("create", "patch")),
        *(Right(verb, "", "configmaps", home) for verb in _READ),
    )


def api(seen: Survey) -> Iterator[Finding]:
    """Judge the API server: that it answers is known."""
    said = str(seen.version.get("gitVersion", "unknown"))
    yield good(f"the API server answers: {seen.host}")
    number = tuple(int(re.match(r"\d*", str(seen.version.get(part, "")))[0] or 0) for part in ("major", "minor"))  # type: ignore[index]
    if number < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield bad(f"its version is {said}, and matchConditions need {oldest}", f"upgrade Kubernetes to {oldest} or newer")
    else:
        yield good(f"its version is {said}")


def crd(seen: Survey) -> Iterator[Finding]:
    """Judge the definition of the Mesh."""
    answer = seen.answers["crd"]
    if answer.error:
        yield unseen("the CustomResourceDefinition of Meshes", answer)
    elif answer.one is None:
        yield bad("there is no CustomResourceDefinition meshes.mesh-injector.io", "kubectl apply --server-side -k config/crd")
    else:
        yield _established(answer.one.get("status") or {})
        served = [
            one.get("name") for one in answer.one["spec"]["versions"] if one.get("served") and "status" in (one.get("subresources") or {})
        ]
        if spec.VERSION in served:
            yield good(f"Meshes are served as {spec.VERSION}, with their status")
        else:
            yield bad(
                f"Meshes are not served as {spec.VERSION} with a status", "kubectl apply --server-side --force-conflicts -k config/crd"
            )


def rights(seen: Survey) -> Iterator[Finding]:
    """Judge what the installation's account may do."""
    account = f"{seen.home}/{NAME}"
    if unknown := [right for right in seen.rights if right.is_allowed is None]:
        fix = f"ask who may: kubectl auth can-i create subjectaccessreviews.authorization.k8s.io; or look: {_can_i(seen.home, unknown[:1])}"
        yield odd(f"the rights of account {account} cannot be looked at, needs `create subjectaccessreviews.authorization.k8s.io`", fix)
        return
    missing = [right for right in seen.rights if not right.is_allowed]
    for right in missing:
        yield bad(f"account {account} may not {right}", f"apply its roles again: {INSTALL}")
    if not missing:
        yield good(f"account {account} has the {len(seen.rights)} rights that it needs")


def _established(status: dict[str, object]) -> Finding:
    conditions = status.get("conditions") or ()
    found = {str(one["type"]): one for one in conditions} if isinstance(conditions, Sequence) else {}
    if found.get("Established", {}).get("status") == "True":
        return good("the CustomResourceDefinition of Meshes is established")
    why = found.get("NamesAccepted", {}).get("message") or "the API server has not taken it yet"
    return bad(f"the CustomResourceDefinition of Meshes is not established: {why}", "kubectl describe crd meshes.mesh-injector.io")


def _can_i(home: str, rights: Sequence[Right]) -> str:
    return "; ".join(f"kubectl auth can-i {right} --as=system:serviceaccount:{home}:{NAME}" for right in rights)


_CONFIGURATIONS: Final = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
