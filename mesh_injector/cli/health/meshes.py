"""The Meshes with their conditions, and the labels of namespaces that switch injection off."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mesh_injector import store
from mesh_injector.cli.health.finding import Finding, bad, good, odd, unseen
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.ruling import INJECT_LABEL, SYSTEM_NAMESPACES
from mesh_injector.kube import objects
from mesh_injector.kube.survey import Survey


def conditions(seen: Survey) -> Iterator[Finding]:
    """Judge each Mesh by what the leader says of it."""
    answer = seen.answers["meshes"]
    if answer.error:
        yield unseen("the Meshes", answer)
    elif not answer.found:
        yield odd("there is no Mesh, so no pod is injected", "kubectl apply -f config/samples/mesh-payments.yaml, or your own")
    for body in sorted(answer.found, key=_name):
        yield _condition(body)


def _condition(body: dict[str, Any]) -> Finding:
    name, spec, status = _name(body), body.get("spec") or {}, body.get("status") or {}
    explain = f"kubectl describe mi {body['metadata']['name']} -n {body['metadata']['namespace']}"
    if spec.get("enableAutoInject") is not True:
        return good(f"Mesh {name} is off")
    ready = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), None)
    if ready is None:
        return bad(
            f"Mesh {name} has no conditions yet: nobody has looked at it", "a leader writes them within seconds: look at section leader"
        )
    if int(status.get("observedGeneration") or 0) < int(body["metadata"]["generation"]):
        fix = "a leader looks within seconds: look at section leader"
        return odd(f"nobody has looked at the newest change of Mesh {name} (generation {body['metadata']['generation']})", fix)
    if ready["status"] != "True":
        return bad(f"Mesh {name} is not Ready: {ready['reason']}: {ready['message']}", explain)
    mode = "" if spec.get("mode", "Enforce") == "Enforce" else f", in mode {spec['mode']}: it changes no pod"
    return good(f"Mesh {name} is Ready{mode}")


def namespaces(seen: Survey) -> Iterator[Finding]:
    """Judge the labels of namespaces, where a Mesh would select pods of them."""
    answer = seen.answers["namespaces"]
    if answer.error:
        yield unseen("the labels of namespaces", answer)
        return
    snapshot = store.load(map(objects.document, (*seen.answers["meshes"].found, *answer.found)), seen.home)
    on = [mesh for mesh in snapshot.loaded.meshes if mesh.spec.enable_auto_inject]
    found = [_label(name, snapshot, on) for name in sorted(snapshot.namespaces) if name not in {*SYSTEM_NAMESPACES, seen.home}]
    told = [finding for finding in found if finding]
    yield from told
    if not told:
        yield good("no namespace that a Mesh selects switches injection off")


def _label(name: str, snapshot: store.Snapshot, on: list[Mesh]) -> Finding | None:
    namespace = snapshot.namespaces[name]
    value = namespace.labels.get(INJECT_LABEL)
    if value is None or all(mesh.namespace_mismatch(namespace) for mesh in on):
        return None
    fix = f"kubectl label namespace {shlex.quote(name)} {INJECT_LABEL}-"
    if value == "disabled":
        return odd(f"namespace {name} is labelled {INJECT_LABEL}=disabled: none of its pods is injected", f"if that is not meant: {fix}")
    return odd(f"the label {INJECT_LABEL}={value} of namespace {name} has no effect", f"{fix}, or write `disabled`")


def _name(body: Mapping[str, Any]) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
