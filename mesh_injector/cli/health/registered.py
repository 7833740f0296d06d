"""The two webhook configurations: every entry that the Meshes ask for, and what others have registered."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mesh_injector import store
from mesh_injector.cli.health.finding import Finding, bad, good, odd, unseen
from mesh_injector.engine import selector as selectors
from mesh_injector.formats.mesh import registering
from mesh_injector.kube import entries as planned
from mesh_injector.kube import objects, registration, validating
from mesh_injector.kube.entries import Entry, Target
from mesh_injector.kube.survey import NAME, Survey
from mesh_injector.store import NAME_LABEL

_FILL: Final = "kubectl apply --server-side -k config/webhook"
_WAIT: Final = "the leader repairs entries within a second: look at section leader"


def ours(seen: Survey) -> tuple[Entry, ...]:
    """The entries of our MutatingWebhookConfiguration; none where it is not there or cannot be seen."""
    found = _named(seen)
    return tuple((found or {}).get("webhooks") or ())


def _named(seen: Survey) -> dict[str, Any] | None:
    return next((one for one in seen.answers["mutating"].found if one["metadata"]["name"] == NAME), None)


def entries(seen: Survey) -> Iterator[Finding]:
    """Judge our MutatingWebhookConfiguration by what the Meshes ask for."""
    answer = seen.answers["mutating"]
    if answer.error:
        yield unseen("the MutatingWebhookConfigurations", answer)
        return
    if _named(seen) is None:
        yield bad(f"there is no MutatingWebhookConfiguration {NAME}: no pod is injected", f"if that is not meant: {_FILL}")
        return
    if seen.answers["meshes"].error:
        yield unseen("which entries there should be", seen.answers["meshes"])
        return
    present = {entry["name"]: entry for entry in ours(seen)}
    plan = _plan(seen, present)
    yield from _differences(plan, present)
    for mesh, problem in plan.left_out.items():
        yield bad(f"Mesh {mesh} has no entry: {problem.what}", problem.fix)


def _plan(seen: Survey, present: Mapping[str, Entry]) -> planned.Plan:
    snapshot = store.load(map(objects.document, seen.answers["meshes"].found), seen.home)
    asked = registering.registrations(snapshot.loaded.meshes)
    return planned.Planner(_target(seen, present), seen.home).plan(asked, registration.broken(snapshot), present)


def _target(seen: Survey, present: Mapping[str, Entry]) -> Target:
    """Where our entries lead: to the Service, or to a URL that the replicas were given."""
    urls = (entry["clientConfig"].get("url") for entry in present.values())
    return Target(namespace=seen.home, url=next((url.partition("/mutate")[0] for url in urls if url), ""))


def _differences(plan: planned.Plan, present: Mapping[str, Entry]) -> Iterator[Finding]:
    """Compare entries without their bundles, which are judged by what they trust."""
    wrong = 0
    for name, entry in plan.entries.items():
        if name not in present:
            wrong += 1
            yield bad(f"entry {name} is missing: API servers do not ask about its pods", _WAIT)
        elif changed := _changed(entry, present[name]):
            wrong += 1
            yield bad(f"entry {name} is not as its Mesh asks: {', '.join(changed)}", _WAIT)
    for name in present.keys() - plan.entries.keys():
        wrong += 1
        left = planned.is_ours(name)
        what = f"entry {name} belongs to no Mesh that injects" if left else f"entry {name} is not ours"
        yield odd(what, _WAIT if left else "somebody added it: put it into a configuration of its own")
    if not wrong:
        yield good(f"{len(plan.entries)} entries are as the Meshes ask")


def _changed(asked: Entry, there: Entry) -> list[str]:
    """Name the fields that differ."""
    both = [
        {**entry, "clientConfig": {key: value for key, value in entry["clientConfig"].items() if key != "caBundle"}}
        for entry in (asked, there)
    ]
    return sorted(key for key in both[0].keys() | both[1].keys() if both[0].get(key) != both[1].get(key))


def validation(seen: Survey) -> Iterator[Finding]:
    """Judge our ValidatingWebhookConfiguration, without which mistakes are told by conditions only."""
    answer = seen.answers["validating"]
    if answer.error:
        yield unseen(f"the ValidatingWebhookConfiguration {NAME}", answer)
    elif answer.one is None:
        yield odd(f"there is no ValidatingWebhookConfiguration {NAME}: mistakes in Meshes and templates are not refused", _FILL)
    else:
        there = {entry["name"] for entry in answer.one.get("webhooks") or ()}
        missing = sorted(validating.entries(Target(namespace=seen.home)).keys() - there)
        for name in missing:
            yield odd(f"entry {name} is missing: mistakes in what it is for are not refused", _WAIT)
        if not missing:
            yield good("changes of Meshes and templates are tried before they are taken")


def others(seen: Survey) -> Iterator[Finding]:
    """Judge what others have registered for the creation of pods."""
    answer = seen.answers["mutating"]
    if answer.error:
        yield unseen("the MutatingWebhookConfigurations of others", answer)
        return
    home = next((one for one in seen.answers["namespaces"].found if one["metadata"]["name"] == seen.home), None)
    labels = {**((home or {}).get("metadata", {}).get("labels") or {}), NAME_LABEL: seen.home}
    found = [finding for one in answer.found if one["metadata"]["name"] != NAME for finding in _foreign(one, seen, labels)]
    yield from found
    if not found:
        yield good("no other webhook leads here or can hold up our own pods")


def _foreign(configuration: dict[str, Any], seen: Survey, labels: Mapping[str, str]) -> Iterator[Finding]:
    name = configuration["metadata"]["name"]
    for entry in filter(_is_for_pods, configuration.get("webhooks") or ()):
        service = entry["clientConfig"].get("service") or {}
        if (service.get("namespace"), service.get("name")) == (seen.home, NAME):
            fix = f"kubectl delete mutatingwebhookconfiguration {name}"
            yield bad(f"entry {entry['name']} of {name} leads here too, and nobody keeps it right", fix)
        elif entry.get("failurePolicy") == "Fail" and _selects(entry.get("namespaceSelector"), labels):
            fix = f"let its namespaceSelector leave out {NAME_LABEL}={seen.home}"
            yield odd(f"entry {entry['name']} of {name} is asked about our own pods: while it is away none can start", fix)


def _is_for_pods(entry: Entry) -> bool:
    return any(
        {"pods", "*", "*/*", "pods/*"} & set(rule.get("resources") or ())
        and {"", "*"} & set(rule.get("apiGroups") or ())
        and {"CREATE", "*"} & set(rule.get("operations") or ())
        for rule in entry.get("rules") or ()
    )


def _selects(given: dict[str, Any] | None, labels: Mapping[str, str]) -> bool:
    return selectors.parse(given or {}).mismatch(labels) is None
