"""Other webhooks work on the pods that we injected, on theirs and on ours: what was added comes back, and a third pass changes nothing.

Also the laws of the policies that only older formats have, on the same pods.
"""

import copy
from collections.abc import Callable
from typing import Any

import jsonpatch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_injector.engine import overlay, record
from mesh_injector.engine.outcome import Verdict
from mesh_injector.engine.overlay import FromDocuments, Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.policy import ALLOWED, Policies
from mesh_injector.engine.rules import Check, Decision, Namespace
from mesh_injector.reasons import Reason
from tests.test_laws import Always, Json, applied, cases, injected, without_nulls

LAW = settings(max_examples=50)
Lists = list[tuple[Json, str]]
Meddle = Callable[[Json, int], None]


def containers(pod: Json) -> list[Json]:
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]


def lists(pod: Json) -> Lists:
    """Every list of the pod and of its containers, by what holds it."""
    holders = [pod["spec"], *containers(pod)]
    return [(holder, name) for holder in holders for name, value in holder.items() if isinstance(value, list) and value]


def each_list(change: Callable[[list[Any]], Any]) -> Meddle:
    def meddle(pod: Json, _at: int) -> None:
        for holder, name in lists(pod):
            if name not in ("command", "args"):
                holder[name] = change(holder[name])

    return meddle


def one_list(change: Callable[[Json, str], Any]) -> Meddle:
    """Change one of the lists that are not essential."""

    def meddle(pod: Json, at: int) -> None:
        found = [(holder, name) for holder, name in lists(pod) if name != "containers"]
        if found:
            change(*found[at % len(found)])

    return meddle


def each_container(change: Callable[[Json], Any]) -> Meddle:
    def meddle(pod: Json, _at: int) -> None:
        for container in containers(pod):
            change(container)

    return meddle


def one_container(change: Callable[[Json], Any]) -> Meddle:
    return lambda pod, at: change(containers(pod)[at % len(containers(pod))])


def drop_container(pod: Json, at: int) -> None:
    if len(pod["spec"]["containers"]) > 1:
        pod["spec"]["containers"].pop(at % len(pod["spec"]["containers"]))


def append(container: Json, name: str, item: Json) -> None:
    container[name] = [*(container.get(name) or ()), item]


MEDDLING: tuple[Meddle, ...] = (
    each_list(lambda items: items[::-1]),
    each_list(lambda items: sorted(items, key=str)),
    one_list(lambda holder, name: holder[name].pop(0)),
    one_list(lambda holder, name: holder[name].pop()),
    one_list(lambda holder, name: holder.pop(name)),
    one_list(lambda holder, name: holder.update({name: None})),
    one_list(lambda holder, name: holder.update({name: []})),
    lambda pod, at: pod["spec"]["containers"].insert(at % 2, {"name": "vault", "image": "vault:1"}),
    lambda pod, _at: append(pod["spec"], "initContainers", {"name": "vault-init", "image": "vault:1"}),
    lambda pod, _at: append(pod["spec"], "volumes", {"name": "vault", "emptyDir": {}}),
    lambda pod, _at: append(pod["spec"], "tolerations", {"key": "vault", "operator": "Exists"}),
    lambda pod, _at: pod["metadata"]["annotations"].update(vault="yes"),
    drop_container,
    each_container(lambda one: one.update(image=f"mirror.example:5000/{one['image']}")),
    each_container(lambda one: one.update(resources={"limits": {"cpu": "3"}}, imagePullPolicy="Always")),
    each_container(lambda one: append(one, "env", {"name": "VAULT", "value": "1"})),
    one_container(lambda one: append(one, "volumeMounts", {"name": "data", "mountPath": "/vault"})),
    one_container(lambda one: one.update(command=["vault", "run"])),
    one_container(lambda one: one.update(image="evil:1")),
    one_container(lambda one: one.pop("env", None)),
    one_container(lambda one: one.pop("resources", None)),
)
meddled = st.lists(st.tuples(st.sampled_from(MEDDLING), st.integers(0, 5)), max_size=4)


@LAW
@given(cases, meddled)
def test_whatever_others_do_a_third_pass_changes_nothing(case: tuple[Json, Json, bool], meddling: list[tuple[Meddle, int]]) -> None:
    body, brought, init_first = case
    rules = Always(brought, init_first=init_first)
    first = injected(body, rules)
    if first.verdict is not Verdict.INJECTED:
        return
    pod = copy.deepcopy(applied(body, first))
    for meddle, at in meddling:
        meddle(pod, at)
    second = injected(pod, rules)
    if second.allowed:
        again = applied(pod, second)
        assert injected(again, rules).patch == ()
        stripped = record.take_out(Pod.from_document(again))
        assert jsonpatch.apply_patch(again, stripped.operations) == stripped.body


# --- policies -----------------------------------------------------------------------------------------------------------------------

collisions = st.fixed_dictionaries({}, optional={name: st.sampled_from(sorted(kinds, key=str)) for name, kinds in ALLOWED.items()})
taken = st.fixed_dictionaries({"env": st.frozensets(st.sampled_from(("a", "b", "x/y", "\\"))), "volumeMounts": st.just(frozenset({"/a"}))})
policies = st.builds(Policies, collisions, st.sampled_from(({}, {"volumeMounts": "name", "tolerations": "key"})), taken)


class Composed:
    """Rules that bring one overlay with policies, and then another, on the pod as the first left it."""

    def __init__(self, brought: Json, first: Policies, second: Policies) -> None:
        self.overlays: list[Overlay] = [
            overlay.compose({"metadata": brought["metadata"], "spec": spec}, FromDocuments({}), policies=policies)
            for spec, policies in ((brought["spec"], first), ({"hostname": "h", "volumes": brought["spec"]["volumes"]}, second))
        ]

    def decide(self, _pod: Pod, _namespace: Namespace) -> Decision:
        first, second = (Decision(Reason.INJECTED, "sidecars", "sha256:00", (one,)) for one in self.overlays)
        return Decision(first.reason, first.mesh, first.template, first.overlays, then=lambda _pod: second)

    def checks(self, _pod: Pod, _namespace: Namespace) -> tuple[Check, ...]:
        return ()


@LAW
@given(cases, policies, policies)
def test_with_any_policies_twice_changes_nothing_and_the_way_back_is_exact(
    case: tuple[Json, Json, bool], first: Policies, second: Policies
) -> None:
    body, brought, _ = case
    rules = Composed(brought, first, second)
    outcome = injected(body, rules)
    if outcome.verdict is Verdict.INJECTED:
        after = applied(body, outcome)
        stripped = record.take_out(Pod.from_document(after))
        assert without_nulls(stripped.body) == without_nulls(body)
        assert jsonpatch.apply_patch(after, stripped.operations) == stripped.body
        assert injected(after, rules).reason is Reason.ALREADY_INJECTED
