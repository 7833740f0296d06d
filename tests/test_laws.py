"""Laws that hold for every pod and every template: hypothesis looks for a pod that breaks one.

The oracle of the first law is a merge of plain dictionaries that shares no line and no table with the engine.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_injector import documents, store
from mesh_injector.engine import overlay, pipeline, placement, record
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.overlay import Overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Check, Decision, Namespace
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

Json = dict[str, Any]
Change = Callable[[Json], Any]

LAW = settings(max_examples=60)
TEMPLATE = PatchTemplate(Source("metadata: {{ values.metadata }}\nspec: {{ values.spec }}\n", "the template"))


class Always:
    """Rules that bring one overlay to every pod."""

    def __init__(self, brought: Json, *, init_first: bool = True) -> None:
        self.overlay = made(brought, init_first=init_first)

    def decide(self, _pod: Pod, _namespace: Namespace) -> Decision:
        return Decision(Reason.INJECTED, "mesh-system/shop", TEMPLATE.digest, (self.overlay,))

    def checks(self, _pod: Pod, _namespace: Namespace) -> tuple[Check, ...]:
        return ()


def made(brought: Json, *, init_first: bool = True) -> Overlay:
    return overlay.make(TEMPLATE.render({"values": brought}), privileged=True, init_first=init_first)


def injected(pod: Json, rules: Any) -> Outcome:
    return pipeline.inject(Pod.from_document(pod), Namespace("shop"), rules)


def applied(pod: Json, outcome: Outcome) -> Json:
    result: Json = jsonpatch.apply_patch(pod, json.loads(json.dumps(list(outcome.patch))))
    return result


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


# --- pods ---------------------------------------------------------------------------------------------------------------------------

WORDS = ("a", "b", "c", "x/y", "p~q", "r.s")
NAMES = ("app", "worker", "cache", "envoy", "init", "logs")
texts = st.sampled_from(("", "1", "two", "drei"))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value, or a null that the caller makes an absent or a null member."""
    return st.one_of(st.none(), strategy, strategy)


def members(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Draw a mapping in which every field may be absent."""
    return st.fixed_dictionaries({}, optional=fields)


def lists(item: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(item, max_size=most)


def keyed(item: st.SearchStrategy[Json], *keys: str) -> st.SearchStrategy[list[Json]]:
    return st.lists(item, max_size=3, unique_by=lambda one: tuple(str(one.get(key, "TCP")) for key in keys))


labels = st.dictionaries(
    st.sampled_from((*WORDS[:1], "x/y", "r.s", "dnsPolicy", "schedulerName")), st.sampled_from(("", "1", "ClusterFirst"))
)
variables = st.fixed_dictionaries({"name": st.sampled_from((*WORDS, "[0]", "\\"))}, optional={"value": texts})
mounts = st.fixed_dictionaries({"mountPath": st.sampled_from(("/a", "/b.c", "/[d]")), "name": st.sampled_from(("data", "certs"))})
ports = st.fixed_dictionaries(
    {"containerPort": st.sampled_from((80, 8080, 9090))}, optional={"protocol": st.sampled_from(("TCP", "UDP")), "name": st.just("p")}
).map(lambda one: one | ({"name": f"p{one['containerPort']}-{one.get('protocol', 'TCP')}".lower()} if "name" in one else {}))
sources = st.fixed_dictionaries({"configMapRef": st.fixed_dictionaries({"name": st.sampled_from(("one", "two"))})})
contexts = members(runAsUser=st.sampled_from((0, 1)), runAsNonRoot=st.booleans(), capabilities=members(drop=lists(st.just("ALL"), 1)))
amounts = members(limits=st.dictionaries(st.sampled_from(("cpu", "memory")), st.sampled_from(("1", "1000m", "2"))))
touching = {
    "env": keyed(variables, "name"),
    "envFrom": lists(sources),
    "volumeMounts": keyed(mounts, "mountPath"),
    "ports": keyed(ports, "containerPort", "protocol"),
    "securityContext": contexts,
    "resources": amounts,
    "command": lists(texts, 2),
    "stdin": st.booleans(),
    "terminationMessagePath": st.sampled_from(("/dev/termination-log", "/log")),
    "workingDir": st.sampled_from(("", "/w")),
    "livenessProbe": st.sampled_from(({"tcpSocket": {"port": 1}}, {"exec": {"command": ["x"]}, "periodSeconds": 3})),
}
tolerations = st.one_of(
    st.fixed_dictionaries({"key": st.sampled_from(WORDS[:3])}, optional={"value": texts}),
    st.fixed_dictionaries({"key": st.sampled_from(WORDS[:3]), "operator": st.just("Exists")}),
)
names = st.sampled_from(("1", "two", "drei"))
terms = st.fixed_dictionaries({"topologyKey": st.sampled_from(("zone", "host"))}, optional={"namespaces": lists(names, 1)})
node_term: st.SearchStrategy[Json] = st.sampled_from(({"matchFields": []}, {"matchExpressions": []}))
node_terms = st.fixed_dictionaries({"nodeSelectorTerms": st.lists(node_term, min_size=1, max_size=2)})
affinities = members(
    podAntiAffinity=members(requiredDuringSchedulingIgnoredDuringExecution=lists(terms, 2)),
    nodeAffinity=members(requiredDuringSchedulingIgnoredDuringExecution=node_terms),
)
shared = {
    "imagePullSecrets": keyed(st.fixed_dictionaries({"name": st.sampled_from(WORDS[:3])}), "name"),
    "hostAliases": lists(
        st.fixed_dictionaries({"ip": st.sampled_from(("10.0.0.1", "10.0.0.2"))}, optional={"hostnames": lists(names, 2)}), 2
    ),
    "tolerations": lists(tolerations),
    "nodeSelector": labels,
    "affinity": affinities,
    "dnsConfig": members(searches=lists(names, 2), nameservers=lists(st.just("10.0.0.1"), 1)),
    "dnsPolicy": st.sampled_from(("ClusterFirst", "Default", "ClusterFirstWithHostNet")),
    "serviceAccountName": st.sampled_from(("default", "shop", "")),
    "schedulerName": st.sampled_from(("default-scheduler", "mine", "")),
    "terminationGracePeriodSeconds": st.sampled_from((30, 0, 60)),
    "securityContext": members(fsGroup=st.sampled_from((0, 1)), supplementalGroups=lists(st.integers(0, 2), 2)),
    "hostname": st.sampled_from(("", "h")),
    "enableServiceLinks": st.booleans(),
    "shareProcessNamespace": st.booleans(),
}
volumes = keyed(
    st.fixed_dictionaries(
        {"name": st.sampled_from(("tmp", "more"))}, optional={"emptyDir": members(medium=st.sampled_from(("", "Memory")))}
    ),
    "name",
)
ALWAYS: list[Json] = [{"name": "data", "hostPath": {"path": "/"}}, {"name": "certs", "emptyDir": {}}]
NEWER = st.sampled_from(({"deep": [{"er": None}]}, "text", 1, [[]]))


def containers(names: tuple[str, ...], most: int) -> st.SearchStrategy[list[Json]]:
    fields = {name: maybe(strategy) for name, strategy in touching.items()}
    container = st.fixed_dictionaries(
        {"name": st.sampled_from(names), "image": st.just("shop/cart:1")}, optional={**fields, "newer": NEWER}
    )
    return st.lists(container, min_size=1, max_size=most, unique_by=lambda one: str(one["name"]))


@st.composite
def pods(draw: st.DrawFn) -> Json:
    """Pods as they come: members absent, null or empty, fields newer than this program, sometimes sixty containers with much env."""
    own = draw(containers(NAMES[:3], 3))
    if draw(st.integers(0, 14)) == 0:
        crowd = [{"name": f"c{count}", "image": "i", "env": [{"name": f"E{n}", "value": "v"} for n in range(40)]} for count in range(57)]
        own = [*own[:1], *crowd, *own[1:]]
    spec = draw(members(**{name: maybe(strategy) for name, strategy in shared.items()}, newer=NEWER))
    before = draw(maybe(containers(NAMES[4:], 2)))
    spec |= {"initContainers": before} if draw(st.booleans()) else {}
    spec |= {"volumes": [*ALWAYS, *draw(volumes)], "containers": own}
    if draw(st.booleans()) and spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    metadata = draw(
        st.one_of(st.none(), members(labels=maybe(labels), annotations=maybe(labels), newer=NEWER, finalizers=maybe(lists(texts, 2))))
    )
    body = {"apiVersion": "v1", "kind": "Pod", "spec": spec, "status": {}}
    return body | ({"metadata": metadata} if metadata is not None or draw(st.booleans()) else {})


@st.composite
def overlays(draw: st.DrawFn, pod: Json) -> Json:
    """Templates of every kind for a pod: containers of their own, and additions to the pod's."""
    spec: Json = draw(members(**shared)) | {"volumes": [*ALWAYS, *draw(volumes)]}
    probeless = {name: strategy for name, strategy in touching.items() if name != "livenessProbe"}
    for kind, own, fields in (("containers", "envoy", touching), ("initContainers", "mesh-init", probeless)):
        additions = st.fixed_dictionaries({}, optional=fields)
        there = [container["name"] for container in pod["spec"].get(kind) or ()][:4]
        brought = [{"name": name, **draw(additions)} for name in there if draw(st.booleans())]
        if draw(st.integers(0, 3)):
            brought.append({"name": own, "image": "envoy:1", **draw(additions)})
        if brought:
            spec[kind] = brought
    metadata = draw(members(labels=labels, annotations=labels, finalizers=st.just(["shop/f"])))
    return {"metadata": metadata, "spec": spec}


cases = pods().flatmap(lambda pod: st.tuples(st.just(pod), overlays(pod), st.booleans()))


# --- the oracle ---------------------------------------------------------------------------------------------------------------------

KEYS = {
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "evictionResponders": ("name",),
    "ownerReferences": ("uid",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
}
WHOLE = (
    *("hostAliases", "tolerations", "envFrom", "finalizers"),
    *(f"{kind}DuringSchedulingIgnoredDuringExecution" for kind in ("required", "preferred")),
)
ONE_THING = ("livenessProbe", "readinessProbe", "startupProbe", "postStart", "preStop")
DEFAULTS: Json = {
    "spec.dnsPolicy": "ClusterFirst",
    "spec.serviceAccountName": "default",
    "spec.serviceAccount": "default",
    "spec.schedulerName": "default-scheduler",
    "spec.terminationGracePeriodSeconds": 30,
    "spec.enableServiceLinks": True,
    "spec.hostIPC": False,
    "spec.hostNetwork": False,
    "spec.hostPID": False,
    "spec.preemptionPolicy": "PreemptLowerPriority",
    "spec.priority": 0,
    "spec.restartPolicy": "Always",
    "container.stdin": False,
    "container.stdinOnce": False,
    "container.tty": False,
    "container.terminationMessagePolicy": "File",
    "container.terminationMessagePath": "/dev/termination-log",
}
MAPS = ("labels", "annotations", "nodeSelector", "limits")


class Refused(Exception):
    """The oracle's word for a collision."""


def lean(value: Any) -> Any:
    """Leave out empty members, as the API server may."""
    if isinstance(value, dict):
        return {key: lean(item) for key, item in value.items() if lean(item) not in (None, "", [], {})}
    return value


def is_in(brought: Any, found: Any) -> bool:
    if isinstance(brought, dict):
        return isinstance(found, dict) and all(
            is_in(item, found[key]) if found.get(key) is not None else item in (False, "", []) for key, item in brought.items()
        )
    return bool(brought == found) or (found, brought) in (("1", "1000m"), ("1000m", "1"))


def counts_as_not_set(where: str, name: str, value: Any) -> bool:
    if where in MAPS:
        return False
    return (
        value in ("", [], {})
        or (f"{where}.{name}" in DEFAULTS and DEFAULTS[f"{where}.{name}"] is value)
        or value == DEFAULTS.get(f"{where}.{name}", ...)
    )


def merge_members(where: str, pod: Json, brought: Json) -> None:
    limits = set(pod.get("limits") or ()) if where == "resources" else set()
    for name, written in brought.items():
        if bare(written) in ({}, []):
            continue
        value, current = distinct(name, written), pod.get(name)
        if name == "requests" and limits:  # of which the API server makes requests
            value = {key: item for key, item in value.items() if key not in limits}
            if not value:
                continue
        value = [sourced(volume) for volume in value] if name == "volumes" else value
        if current is None:
            pod[name] = bare(value)
        elif name in KEYS or (name in WHOLE and isinstance(value, list)):
            merge_list(name, current, value)
        elif isinstance(value, dict) and name not in ONE_THING:
            merge_members(name, current, value)
        elif not is_in(value, current) and counts_as_not_set(where, name, current):
            pod[name] = value


def distinct(name: str, value: Any) -> Any:
    """Take an item that a template brings twice as one."""
    if name not in WHOLE or not isinstance(value, list):
        return value
    return [item for at, item in enumerate(value) if lean(item) not in list(map(lean, value[:at]))]


def bare(value: Any) -> Any:
    """Leave out the empty maps and lists that a template brings."""
    if not isinstance(value, dict):
        return value
    kept = {name: item if name in ONE_THING else bare(distinct(name, item)) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item not in ({}, [])}


def merge_list(name: str, current: list[Any], brought: list[Any]) -> None:
    def key(item: Any) -> Any:
        return [str(item.get(field, "TCP")) for field in KEYS[name]] if name in KEYS else lean(item)

    before = list(current)
    for item in brought:
        same = [one for one in before if key(one) == key(item)]
        if not same:
            current.append(item)
        elif name == "volumes" and not is_in(sourced(item), sourced(same[0])):
            raise Refused


def sourced(volume: Json) -> Json:
    """Give a volume without a source the source that Kubernetes gives it."""
    return volume if len(volume) > 1 else {**volume, "emptyDir": {}}


def naive_merge(pod: Json, brought: Json, *, init_first: bool) -> Json:
    """Merge as one would by hand, on plain dictionaries."""
    result, brought = copy.deepcopy(pod), copy.deepcopy(brought)
    added = {kind: [one for one in brought["spec"].get(kind, ()) if "image" in one] for kind in ("containers", "initContainers")}
    touched = {kind: [one for one in brought["spec"].pop(kind, ()) if "image" not in one] for kind in ("containers", "initContainers")}
    account = result["spec"].get("serviceAccount")
    if "serviceAccount" in brought["spec"]:
        brought["spec"].setdefault("serviceAccountName", brought["spec"].pop("serviceAccount"))
    if bare(brought["metadata"]):
        result["metadata"] = result.get("metadata") or {}
        merge_members("metadata", result["metadata"], brought["metadata"])
    if account not in (None, "", "default") and result["spec"].get("serviceAccountName") in (None, "", "default"):
        brought["spec"].pop("serviceAccountName", None)
    merge_members("spec", result["spec"], brought["spec"])
    if account in ("", "default") and account != result["spec"].get("serviceAccountName"):
        result["spec"]["serviceAccount"] = result["spec"]["serviceAccountName"]
    for kind, ours in added.items():
        for one in touched[kind]:
            theirs = next(container for container in result["spec"][kind] if container["name"] == one["name"])
            merge_members("container", theirs, {name: value for name, value in one.items() if name != "name"})
        there = result["spec"].get(kind) or []
        if ours:
            result["spec"][kind] = [*ours, *there] if init_first and kind == "initContainers" else [*there, *ours]
    return result


@LAW
@given(cases)
def test_placing_is_what_a_naive_merge_of_dictionaries_gives(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    try:
        wanted = naive_merge(pod, brought, init_first=init_first)
    except Refused:
        with pytest.raises(InjectionError, match="would read the user's volume"):
            placement.place(Pod.from_document(pod), made(brought, init_first=init_first))
        return
    done = placement.place(Pod.from_document(pod), made(brought, init_first=init_first))
    assert jsonpatch.apply_patch(pod, done.operations) == wanted


# --- twice, back, and who wins ------------------------------------------------------------------------------------------------------


@LAW
@given(cases)
def test_injecting_twice_changes_nothing(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    rules = Always(brought, init_first=init_first)
    first = injected(pod, rules)
    second = injected(applied(pod, first), rules)
    if first.verdict is Verdict.INJECTED:
        assert (second.reason, second.patch) == (Reason.ALREADY_INJECTED, ())
    else:
        assert (second.verdict, second.reason) == (first.verdict, first.reason)


@LAW
@given(cases)
def test_taking_the_record_out_gives_the_pod_as_it_was(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    outcome = injected(pod, Always(brought, init_first=init_first))
    if outcome.verdict is Verdict.INJECTED:
        stripped = record.strip(Pod.from_document(applied(pod, outcome)))
        assert stripped is not None
        assert without_nulls(stripped[0]) == without_nulls(pod)


def survives(old: Any, new: Any, where: str = "", name: str = "") -> bool:
    """Whether everything of the pod is still there, lists in their order; a default may have been replaced."""
    if old is None or counts_as_not_set(where, name, old):
        return True
    if isinstance(old, dict):
        inner = "spec" if name == "spec" else "container" if name in ("containers", "initContainers") else name
        return isinstance(new, dict) and all(survives(item, new.get(key), inner, key) for key, item in old.items())
    if isinstance(old, list):
        rest: Iterator[Any] = iter(new if isinstance(new, list) else ())
        return all(any(survives(item, other, where, name) for other in rest) for item in old)
    return bool(old == new)


@LAW
@given(cases)
def test_the_pod_wins_and_nothing_of_it_is_lost(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    after = applied(pod, injected(pod, Always(brought, init_first=init_first)))
    assert survives(pod, after)


# --- other webhooks -----------------------------------------------------------------------------------------------------------------

BROUGHT: Json = {
    "metadata": {"labels": {"mesh": "on"}, "annotations": {"note": "ours"}},
    "spec": {
        "initContainers": [{"name": "mesh-init", "image": "init:1"}],
        "containers": [
            {"name": "app", "env": [{"name": "PROXY", "value": "on"}], "volumeMounts": [{"name": "certs", "mountPath": "/certs"}]},
            {"name": "envoy", "image": "envoy:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 15000}]},
        ],
        "volumes": [{"name": "certs", "emptyDir": {}}],
        "tolerations": [{"key": "mesh", "operator": "Exists"}],
        "priorityClassName": "high",
        "serviceAccountName": "mesh",
        "securityContext": {"fsGroup": 1337},
    },
}
PLAIN: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "cart", "labels": {"app": "cart"}},
    "spec": {
        "containers": [{"name": "app", "image": "cart:1", "ports": [{"containerPort": 8080}]}, {"name": "worker", "image": "worker:1"}],
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "securityContext": {},
    },
}


def item(items: Any, name: str) -> Json:
    found: Json = next((one for one in items or () if one["name"] == name), {})
    return found


def _drop(kind: str, name: str) -> Change:
    def change(pod: Json) -> None:
        pod["spec"][kind] = [one for one in pod["spec"].get(kind) or () if one["name"] != name]

    return change


def _set(name: str, value: Any) -> Change:
    return lambda pod: pod["spec"].__setitem__(name, value)


def _forget(half: str, name: str) -> Change:
    return lambda pod: pod[half].pop(name, None)


def _ours(change: Callable[[Json], Any]) -> Change:
    return lambda pod: change(item(pod["spec"]["containers"], "envoy"))


def _append(kind: str, value: Any) -> Change:
    def change(pod: Json) -> None:
        pod["spec"][kind] = [*(pod["spec"].get(kind) or ()), value]

    return change


def _turn(*kinds: str) -> Change:
    return lambda pod: [pod["spec"][kind].reverse() for kind in kinds if pod["spec"].get(kind)]


CHANGES: tuple[Change, ...] = (
    _append("containers", {"name": "vault", "image": "vault:1"}),
    _append("initContainers", {"name": "vault-init", "image": "vault:1"}),
    _append("volumes", {"name": "vault", "emptyDir": {}}),
    _turn("containers", "initContainers", "volumes", "tolerations"),
    _drop("containers", "envoy"),
    _drop("initContainers", "mesh-init"),
    _drop("volumes", "certs"),
    _forget("spec", "volumes"),
    _forget("spec", "tolerations"),
    _forget("spec", "initContainers"),
    _forget("spec", "priorityClassName"),
    _forget("spec", "securityContext"),
    _forget("metadata", "labels"),
    _set("priority", 1000),
    _set("serviceAccountName", "other"),
    lambda pod: pod["metadata"]["annotations"].update(note="theirs", more="x"),
    lambda pod: pod["metadata"].setdefault("labels", {}).update(app="other", vault="yes"),
    lambda pod: item(pod["spec"]["containers"], "app").pop("env", None),
    lambda pod: item(pod["spec"]["containers"], "app").setdefault("env", []).append({"name": "VAULT", "value": "1"}),
    _ours(lambda ours: ours.update(image=f"mirror.example/{ours.get('image', 'x')}@sha256:00") if ours else None),
    _ours(lambda ours: ours.update(image="other:2") if ours else None),
    _ours(lambda ours: ours.update(resources={"limits": {"cpu": "1"}}, imagePullPolicy="Always") if ours else None),
    _ours(lambda ours: ours.setdefault("env", []).append({"name": "VAULT", "value": "1"})),
    _ours(lambda ours: ours.setdefault("volumeMounts", []).append({"name": "vault", "mountPath": "/v"})),
    _ours(lambda ours: ours.pop("env", None)),
)


@settings(LAW, max_examples=150)
@given(st.lists(st.sampled_from(CHANGES), max_size=5, unique=True))
def test_after_other_webhooks_the_second_pass_restores_and_the_third_changes_nothing(changes: list[Change]) -> None:
    rules = Always(BROUGHT)
    pod = applied(PLAIN, injected(PLAIN, rules))
    for change in changes:
        change(pod)
    second = injected(pod, rules)
    again = applied(pod, second)
    assert second.verdict is Verdict.INJECTED or second.reason is Reason.ALREADY_INJECTED
    assert holds_ours(again)
    theirs = [one["name"] for one in pod["spec"]["containers"] if one["name"] != "envoy"]
    assert [one["name"] for one in again["spec"]["containers"] if one["name"] != "envoy"] == theirs
    assert injected(again, rules).reason is Reason.ALREADY_INJECTED


def holds_ours(pod: Json) -> bool:
    """Whether everything that `BROUGHT` brings is in a pod."""
    spec, envoy = pod["spec"], item(pod["spec"]["containers"], "envoy")
    app = item(spec["containers"], "app")
    return (
        str(envoy["image"]).partition("@")[0].endswith("envoy:1")
        and item(envoy["env"], "A") == {"name": "A", "value": "1"}
        and {"containerPort": 15000} in envoy["ports"]
        and item(app["env"], "PROXY") != {}
        and {"name": "certs", "mountPath": "/certs"} in app["volumeMounts"]
        and item(spec["initContainers"], "mesh-init") == {"name": "mesh-init", "image": "init:1"}
        and item(spec["volumes"], "certs") == {"name": "certs", "emptyDir": {}}
        and {"key": "mesh", "operator": "Exists"} in spec["tolerations"]
        and (spec["priorityClassName"], spec["serviceAccountName"], spec["serviceAccount"]) == ("high", "mesh", "mesh")
        and spec["securityContext"]["fsGroup"] == 1337
        and (pod["metadata"]["labels"]["mesh"], pod["metadata"]["annotations"]["note"]) == ("on", "ours")
    )


@LAW
@given(cases)
def test_a_changed_template_is_brought_up_to_date_and_comes_out_exactly(case: tuple[Json, Json, bool]) -> None:
    pod, brought, init_first = case
    rules = Always(brought, init_first=init_first)
    there = applied(pod, injected(pod, Always(OLDER)))
    direct, renewed = injected(pod, rules), injected(there, rules)
    assert (direct.verdict, direct.error and direct.error.reason) == (renewed.verdict, renewed.error and renewed.error.reason)
    if renewed.patch:
        after = applied(there, renewed)
        stripped = record.strip(Pod.from_document(after))
        assert stripped is not None
        assert without_nulls(stripped[0]) == without_nulls(pod)
        assert addresses_of(after) == addresses_of(applied(pod, direct))
        assert injected(after, rules).reason is Reason.ALREADY_INJECTED


OLDER: Json = {
    "metadata": {"labels": {"mesh": "on"}},
    "spec": {
        "initContainers": [{"name": "mesh-init", "image": "init:1"}, {"name": "older", "image": "init:1"}],
        "containers": [{"name": "envoy", "image": "envoy:1", "ports": [{"containerPort": 15000}]}],
        "tolerations": [{"key": "mesh", "operator": "Exists"}],
        "dnsPolicy": "Default",
        "serviceAccountName": "mesh",
        "securityContext": {"fsGroup": 1},
    },
}


def addresses_of(pod: Json) -> Json:
    """What the record of a pod lists, in no order."""
    found: Json = json.loads(pod["metadata"]["annotations"][record.ANNOTATION])
    return {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}


# --- records that lie ---------------------------------------------------------------------------------------------------------------

SHOP = store.load(
    documents.parse(
        """
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: shop, namespace: mesh-system}
spec:
  enableAutoInject: true
  injectionSelector: {podSelector: {matchLabels: {app: cart}}}
  sidecarPatchConfigMap: {name: sidecar}
  requireContainerPorts: false
---
apiVersion: v1
kind: ConfigMap
metadata: {name: sidecar, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data:
  patch: |
    metadata: {labels: {mesh: "on"}}
    spec:
      initContainers: [{name: mesh-init, image: "init:1"}]
      containers: [{name: envoy, image: "envoy:1", env: [{name: PORTS, value: "{{ app_ports }}"}]}]
      serviceAccountName: mesh
""",
        "shop.yaml",
    ).documents
).rules

ADDRESSES = (
    "containers",
    "spec",
    "metadata",
    "status",
    "containers[app]",
    "containers[app].name",
    "containers[app].image",
    "containers[app].ports",
    "containers[app].ports[8080/TCP]",
    "containers[app].ports[8080/TCP].containerPort",
    "containers[app][name]",
    "containers[envoy]",
    "containers[worker]",
    "containers[worker].env[PROXY]",
    "initContainers",
    "initContainers[mesh-init]",
    "labels[app]",
    "labels[mesh]",
    "labels",
    "annotations",
    "annotations[mesh-injector.io/status]",
    "annotations[mesh-injector\\.io/status]",
    "serviceAccountName",
    "securityContext",
    "securityContext.fsGroup",
    "securityContext.windowsOptions.hostProcess",
    "priority",
    "hostNetwork",
    "restartPolicy",
    "volumes[x].emptyDir",
    "[app]",
    "containers.[app]",
    "containers[app",
    "",
    "no.such[place]",
)
addresses = st.one_of(st.sampled_from(ADDRESSES), st.text(max_size=8))
values: st.SearchStrategy[Any] = st.sampled_from(
    ("", 0, 30, [], {}, False, True, "default", "evil:1", None, [1], {"a": {}}, "ClusterFirst", "Always")
)
forged = st.fixed_dictionaries(
    {},
    optional={
        "version": st.sampled_from((1, 1, 1, 1, 0, 2, "1", None)),
        "mesh": st.sampled_from(("mesh-system/shop", "", "x")),
        "template": st.sampled_from(("sha256:0", "")),
        "added": st.one_of(st.lists(addresses, max_size=4), st.just("containers[app]"), st.just([1])),
        "created": st.lists(addresses, max_size=3),
        "replaced": st.one_of(st.dictionaries(addresses, values, max_size=3), st.just([])),
        "newer": st.just({}),
    },
)
claims = st.one_of(
    st.fixed_dictionaries({"added": st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"created": st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"replaced": st.dictionaries(st.sampled_from(ADDRESSES), values, min_size=1, max_size=2)}),
    forged,
)
believable = st.builds(lambda one: {"version": 1, "mesh": "m", "template": "t", **one}, claims)
honest = st.just(
    {"version": 1, "mesh": "mesh-system/shop", "template": "sha256:0", "added": ["containers[envoy]", "labels[mesh]", "labels[app]"]}
)
records = st.one_of(
    st.builds(json.dumps, believable),
    st.builds(json.dumps, believable),
    st.builds(json.dumps, st.one_of(forged, honest)),
    st.builds(lambda one, end: json.dumps(one)[:end], believable, st.integers(0, 60)),
    st.one_of(st.text(max_size=12), st.just("[" * 100_000)),
)


@settings(LAW, max_examples=120)
@given(records, st.booleans())
def test_no_record_exempts_a_pod_or_breaks_the_injector(text: str, fake: bool) -> None:
    assert_not_exempt(text, fake=fake)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("value", ["", False, "default", "evil:1", None])
def test_no_single_claim_exempts_a_pod_or_breaks_the_injector(address: str, value: Any) -> None:
    for claim in ({"added": [address]}, {"created": [address]}, {"replaced": {address: value}}):
        assert_not_exempt(json.dumps({"version": 1, "mesh": "m", "template": "t", **claim}), fake=False)


def assert_not_exempt(text: str, *, fake: bool) -> None:
    """Inject a pod that carries a record, perhaps with a container that only has the name of ours."""
    pod = copy.deepcopy(PLAIN)
    pod["metadata"]["annotations"] = {record.ANNOTATION: text}
    if fake:
        pod["spec"]["containers"].append({"name": "envoy", "image": "pause:3"})
    outcome = injected(pod, SHOP)
    pipeline.explain(Pod.from_document(pod), Namespace("shop"), SHOP)
    if fake and outcome.verdict is Verdict.REFUSED:
        assert outcome.reason is Reason.NAME_COLLISION
        return
    assert outcome.verdict is Verdict.INJECTED
    after = applied(pod, outcome)
    assert item(after["spec"]["containers"], "envoy")["image"] == "envoy:1"
    assert item(after["spec"]["initContainers"], "mesh-init")["image"] == "init:1"
    assert {one["image"] for one in after["spec"]["containers"]} <= {"cart:1", "worker:1", "envoy:1"}
    assert after["spec"]["serviceAccountName"] == "mesh"
    assert injected(after, SHOP).reason is Reason.ALREADY_INJECTED
