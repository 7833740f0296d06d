"""The Deployment, the Service that leads to its pods, and the replica that leads."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from mesh_injector.cli.health.finding import INSTALL, Finding, bad, good, odd, unseen
from mesh_injector.kube.survey import NAME, Survey

_LATE: Final = 3
"""A lease that was renewed so many times its duration ago has no leader, also where this machine's clock is somewhat wrong."""


def replicas(seen: Survey) -> Iterator[Finding]:
    """Judge the Deployment by its status."""
    answer = seen.answers["deployment"]
    if answer.error:
        yield unseen(f"the Deployment {seen.home}/{NAME}", answer)
    elif answer.one is None:
        yield bad(f"there is no Deployment {NAME} in namespace {seen.home}", f"{INSTALL}; or name your namespace by --home-namespace")
    else:
        yield from _replicas(answer.one, f"deployment/{NAME} -n {seen.home}")


def _replicas(deployment: dict[str, Any], name: str) -> Iterator[Finding]:
    wanted, status = int(deployment["spec"].get("replicas", 1)), deployment.get("status") or {}
    ready, updated = int(status.get("readyReplicas") or 0), int(status.get("updatedReplicas") or 0)
    if not ready:
        fix = f"kubectl scale {name} --replicas=2" if not wanted else f"kubectl describe {name}; kubectl logs {name}"
        yield bad(f"no replica is ready, of {wanted}: selected pods are refused, or created without a sidecar", fix)
    elif ready < wanted:
        yield odd(f"{ready} of {wanted} replicas are ready", f"kubectl describe {name}; kubectl logs {name}")
    elif wanted < 2:
        yield odd("there is one replica: while it restarts, selected pods are refused", f"kubectl scale {name} --replicas=2")
    else:
        yield good(f"{ready} of {wanted} replicas are ready")
    if updated < wanted:
        yield odd(f"{updated} of {wanted} replicas are of the newest template", f"kubectl rollout status {name}")
    image = deployment["spec"]["template"]["spec"]["containers"][0].get("image", "")
    yield good(f"they run {image}")


def service(seen: Survey) -> Iterator[Finding]:
    """Judge what API servers are led by."""
    answer = seen.answers["service"]
    if answer.error:
        yield unseen(f"the Service {seen.home}/{NAME}", answer)
    elif answer.one is None:
        yield bad(f"there is no Service {NAME} in namespace {seen.home}: API servers find nobody", INSTALL)
    elif 443 not in [port.get("port") for port in answer.one["spec"].get("ports") or ()]:
        yield bad(f"the Service {seen.home}/{NAME} has no port 443, which API servers ask for", INSTALL)
    else:
        yield good(f"the Service {seen.home}/{NAME} has port 443")
    yield from _endpoints(seen)


def _endpoints(seen: Survey) -> Iterator[Finding]:
    answer = seen.answers["endpoints"]
    if answer.error:
        yield unseen("where the Service leads", answer)
        return
    endpoints = [one for each in answer.found for one in each.get("endpoints") or ()]
    ready = [one for one in endpoints if (one.get("conditions") or {}).get("ready") is not False]
    fix = f"kubectl get pods -n {seen.home} -l app.kubernetes.io/name={NAME} -o wide; kubectl get endpointslices -n {seen.home}"
    if not ready:
        yield bad("the Service leads to no ready pod: nobody answers API servers", fix)
    elif len(ready) < 2:
        yield odd("the Service leads to one ready pod only", fix)
    else:
        yield good(f"the Service leads to {len(ready)} ready pods")


def leader(seen: Survey) -> Iterator[Finding]:
    """Judge whether somebody registers Meshes and writes their statuses."""
    answer = seen.answers["lease"]
    if answer.error:
        yield unseen(f"the Lease {seen.home}/{NAME}", answer)
        return
    if answer.one is None:
        yield bad(f"there is no Lease {NAME} in namespace {seen.home}, so no replica leads: no change of a Mesh is registered", INSTALL)
        return
    spec, logs = answer.one.get("spec") or {}, f"kubectl logs deployment/{NAME} -n {seen.home}"
    holder, renewed = spec.get("holderIdentity"), _time(spec.get("renewTime"))
    if not holder:
        yield bad("no replica leads: no change of a Mesh is registered", f"see why none can: {logs}")
    elif renewed is None or (seen.at - renewed).total_seconds() > _LATE * int(spec.get("leaseDurationSeconds") or 15):
        since = f"{renewed:%Y-%m-%dT%H:%M:%SZ}" if renewed else "ever"
        yield bad(f"the leader {holder} has not renewed its Lease since {since}, and nobody has taken it", f"see why none can: {logs}")
    else:
        yield good(f"{holder} leads")


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
