"""What the older formats need of the engine, each need a test: policies of collision, what is taken away, decisions that follow others."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonpatch
import pytest
import yaml

from mesh_injector.documents import Document, Origin
from mesh_injector.engine import overlay, pipeline, placement, record
from mesh_injector.engine.outcome import Outcome
from mesh_injector.engine.overlay import FromDocuments, Overlay
from mesh_injector.engine.placed import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.policy import ALLOWED, Policies, Policy
from mesh_injector.engine.rules import Check, Decision, Namespace
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

Json = dict[str, Any]
Decide = Callable[[Pod], Decision]
Follow = Callable[[Pod], Decision | None]

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
SHOP = Namespace("shop")


def document(text: str, name: str = "sidecars.yaml") -> Document:
    return Document(yaml.safe_load(text), Origin(name, 1, 1), text)


DOCUMENT = document("name: sidecar\ncontainers:\n  - name: envoy\n    imagee: x\n")


def bring(spec: Json, policies: Policies = Policies(), **metadata: Any) -> Overlay:  # noqa: B008 # a frozen value
    return overlay.compose({"metadata": metadata, "spec": spec}, FromDocuments({}), policies=policies)


def pod(*containers: Json, **spec: Any) -> Json:
    return {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [*containers] or [{"name": "app", "image": "a"}], **spec}}


def place(body: Json, *overlays: Overlay) -> tuple[Json, Placement]:
    done = Placement()
    for one in overlays:
        done = done.then(placement.place(placement.changed(Pod.from_document(body), done), one))
    return jsonpatch.apply_patch(body, json.loads(json.dumps(done.operations))), done


@dataclass(frozen=True)
class Deciding:
    """Rules of one function."""

    how: Follow

    def decide(self, pod: Pod, _namespace: Namespace) -> Decision:
        return self.how(pod) or Decision(Reason.NO_MESH_MATCHED)

    def checks(self, _pod: Pod, _namespace: Namespace) -> tuple[Check, ...]:
        return ()


def always(*overlays: Overlay, **fields: Any) -> Decide:
    return lambda _pod: Decision(Reason.INJECTED, "sidecars", "sha256:00", overlays, **fields)


def inject(body: Json, how: Follow) -> tuple[Json, Outcome]:
    outcome = pipeline.inject(Pod.from_document(body), SHOP, Deciding(how))
    return jsonpatch.apply_patch(body, json.loads(json.dumps(list(outcome.patch)))), outcome


def goes_and_comes(body: Json, how: Follow) -> Json:
    """Inject, see that a second pass changes nothing and that the way back is exact, and return the injected pod."""
    after, outcome = inject(body, how)
    assert outcome.reason is Reason.INJECTED
    assert inject(after, how)[1].reason is Reason.ALREADY_INJECTED
    stripped = record.take_out(Pod.from_document(after))
    assert stripped.body == body
    assert jsonpatch.apply_patch(after, stripped.operations) == body
    return after


def status(body: Json) -> Json:
    found: Json = json.loads(body["metadata"]["annotations"][record.ANNOTATION])
    return found


# --- policies -----------------------------------------------------------------------------------------------------------------------


def test_flashbots_skips_a_container_and_a_volume_of_a_taken_name() -> None:
    keep = Policies({"containers": Policy.KEEP, "volumes": Policy.KEEP})
    body = pod(volumes=[{"name": "data", "hostPath": {"path": "/x"}}])
    spec = {
        "containers": [{"name": "app", "image": "other"}, {"name": "envoy", "image": "e"}],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "more", "emptyDir": {}}],
    }
    after = goes_and_comes(body, always(bring(spec, keep)))
    assert after["spec"]["containers"] == [{"name": "app", "image": "a"}, {"name": "envoy", "image": "e"}]
    assert after["spec"]["volumes"] == [{"name": "data", "hostPath": {"path": "/x"}}, {"name": "more", "emptyDir": {}}]
    assert place(body, bring(spec, keep))[1].warnings == [
        "kept the pod's containers[app], which differs from the template's",
        "kept the pod's volumes[data], which differs from the template's",
    ]


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_what_is_skipped_is_not_judged_with_the_pod(kind: str) -> None:
    port = {"containerPort": 1, "hostPort": 80}
    body = pod({"name": "app", "image": "a", "ports": [port]})
    brought = {"name": "app", "image": "b", "ports": [port], "volumeMounts": [{"name": "gone", "mountPath": "/x"}]}
    after, done = place(body, bring({kind: [brought]}, Policies({kind: Policy.KEEP})))
    assert (after, done.operations, len(done.warnings)) == (body, [], 1)


@pytest.mark.parametrize(("image", "refused"), [("a", False), ("b", True)])
def test_fargate_leaves_an_equal_container_of_a_taken_name_and_refuses_a_different_one(image: str, refused: bool) -> None:
    brought = bring({"containers": [{"name": "app", "image": image}]}, Policies({"containers": Policy.REFUSE}))
    if refused:
        with pytest.raises(InjectionError, match="the pod has a container `app` already") as caught:
            place(pod(), brought)
        assert caught.value.reason is Reason.NAME_COLLISION
    else:
        after, done = place(pod(), brought)
        assert (after, done.warnings) == (pod(), [])


def test_a_container_is_not_equal_to_an_init_container_of_its_name() -> None:
    brought = bring({"initContainers": [{"name": "app", "image": "a"}]}, Policies({"initContainers": Policy.REFUSE}))
    with pytest.raises(InjectionError, match="already"):
        place(pod(), brought)


def test_tumblr_tells_mounts_apart_by_name_too() -> None:
    by_name = Policies(also_by={"volumeMounts": "name"})
    body = pod(
        {"name": "app", "image": "a", "volumeMounts": [{"name": "data", "mountPath": "/own"}]},
        volumes=[{"name": "data"}, {"name": "more"}],
    )
    mounts = [{"name": "data", "mountPath": "/x"}, {"name": "more", "mountPath": "/m1"}, {"name": "more", "mountPath": "/m2"}]
    after, done = place(body, bring({"containers": [{"name": "app", "volumeMounts": mounts}]}, by_name))
    assert [mount["mountPath"] for mount in after["spec"]["containers"][0]["volumeMounts"]] == ["/own", "/m1", "/m2"]
    assert done.warnings == ["left out containers[app].volumeMounts[/x], since the pod has one of the same name"]


def test_flashbots_tells_tolerations_apart_by_key() -> None:
    by_key = Policies(also_by={"tolerations": "key"})
    body = pod(tolerations=[{"key": "spot", "operator": "Exists"}])
    brought = [{"key": "spot", "value": "yes"}, {"key": "arm", "operator": "Exists"}]
    after = goes_and_comes(body, always(bring({"tolerations": brought}, by_key)))
    assert after["spec"]["tolerations"] == [{"key": "spot", "operator": "Exists"}, {"key": "arm", "operator": "Exists"}]


def test_a_variable_may_be_appended_beside_one_of_its_name_and_the_pods_comes_back_alone() -> None:
    body = pod({"name": "app", "image": "a", "env": [{"name": "A", "value": "1"}]})
    brought = bring({"containers": [{"name": "app", "env": [{"name": "A", "value": "2"}]}]}, Policies({"env": Policy.APPEND}))
    after = goes_and_comes(body, always(brought))
    assert after["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]


def test_a_variable_may_be_refused() -> None:
    body = pod({"name": "app", "image": "a", "env": [{"name": "A", "value": "1"}]})
    brought = bring({"containers": [{"name": "app", "env": [{"name": "A", "value": "2"}]}]}, Policies({"env": Policy.REFUSE}))
    with pytest.raises(InjectionError, match="the pod has another env `A`"):
        place(body, brought)


def test_a_variable_may_replace_the_pods_and_the_old_one_comes_back_in_its_place() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}, {"name": "C", "value": "1"}]
    body = pod({"name": "app", "image": "a", "env": env})
    brought = bring({"containers": [{"name": "app", "env": [{"name": "B", "value": "2"}]}]}, Policies({"env": Policy.REPLACE}))
    after = goes_and_comes(body, always(brought))
    assert [one["value"] for one in after["spec"]["containers"][0]["env"]] == ["1", "2", "1"]
    assert inject(body, always(brought))[1].warnings == ("replaced the pod's containers[app].env[B]",)
    assert status(after)["version"] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"collisions": {"volumes": Policy.REPLACE}},
        {"collisions": {"containers": Policy.APPEND}},
        {"collisions": {"hostname": Policy.KEEP}},
        {"takes_away": {"volumes": frozenset({"x"})}},
    ],
)
def test_a_policy_that_no_list_can_have_is_a_mistake_of_the_format(wrong: Json) -> None:
    with pytest.raises(ValueError, match="no list can have these policies: "):
        Policies(**wrong)


def test_only_what_gives_no_rights_may_replace_the_pods_own() -> None:
    assert {name for name, allowed in ALLOWED.items() if Policy.REPLACE in allowed} == {"env", "volumeMounts"}


def test_tumblr_appends_host_aliases_also_for_an_address_that_is_there() -> None:
    body = pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a"]}])
    after = goes_and_comes(body, always(bring({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}]})))
    assert [alias["hostnames"] for alias in after["spec"]["hostAliases"]] == [["a"], ["b"]]


# --- what is taken away -------------------------------------------------------------------------------------------------------------

WITHOUT_TOKEN = Policies(takes_away={"volumeMounts": frozenset({TOKEN})})


def mounting(*paths: str) -> Json:
    return {"name": "app", "image": "a", "volumeMounts": [{"name": f"v{at}", "mountPath": path} for at, path in enumerate(paths)]}


def tumblr(pod: Pod) -> Decision:
    """Set the service account only when the pod has none of its own, and then take the token's mounts away."""
    policies = WITHOUT_TOKEN if pod.spec_member("serviceAccountName") in (None, "", "default") else Policies()
    return Decision(Reason.INJECTED, "sidecars", "sha256:00", (bring({"serviceAccountName": "mesh"}, policies),))


def test_tumblr_takes_the_tokens_mounts_away_with_the_service_account_and_they_come_back_in_their_place() -> None:
    body = pod(
        mounting("/a", TOKEN, "/b"),
        {"name": "bare", "image": "b"},
        {"name": "only", "image": "c", "volumeMounts": [{"name": "token", "mountPath": TOKEN, "readOnly": True}]},
        initContainers=[{"name": "setup", "image": "s", "volumeMounts": [{"name": "token", "mountPath": TOKEN}]}],
        serviceAccountName="default",
    )
    after = goes_and_comes(body, tumblr)
    assert [mount["mountPath"] for mount in after["spec"]["containers"][0]["volumeMounts"]] == ["/a", "/b"]
    assert [text.partition("[")[0] for text in inject(body, tumblr)[1].warnings] == [
        "took away the pod's initContainers",
        "took away the pod's containers",
        "took away the pod's containers",
    ]
    assert after["spec"]["initContainers"][0]["volumeMounts"] == []
    assert [taken["at"] for taken in status(after)["taken"]] == [
        f"initContainers[setup].volumeMounts[{TOKEN.replace('.', chr(92) + '.')}]",
        f"containers[app].volumeMounts[{TOKEN.replace('.', chr(92) + '.')}]",
        f"containers[only].volumeMounts[{TOKEN.replace('.', chr(92) + '.')}]",
    ]


def test_a_pod_with_a_service_account_of_its_own_keeps_its_mounts() -> None:
    body = pod(mounting(TOKEN), serviceAccountName="own")
    assert inject(body, tumblr)[0] == body


def test_what_is_brought_at_a_place_that_was_taken_away_replaces_it() -> None:
    body = pod(mounting(TOKEN, "/b"), volumes=[{"name": "v0"}])
    mount = {"name": "v0", "mountPath": TOKEN, "readOnly": True}
    after = goes_and_comes(body, always(bring({"containers": [{"name": "app", "volumeMounts": [mount]}]}, WITHOUT_TOKEN)))
    assert after["spec"]["containers"][0]["volumeMounts"] == [{"name": "v1", "mountPath": "/b"}, mount]


def test_a_list_that_an_api_server_dropped_comes_back_with_what_was_in_it() -> None:
    body = pod(mounting(TOKEN))
    after, _ = inject(body, tumblr)
    del after["spec"]["containers"][0]["volumeMounts"]
    stripped = record.take_out(Pod.from_document(after))
    assert stripped.body == body
    assert jsonpatch.apply_patch(after, stripped.operations) == body


def test_a_mount_that_another_webhook_put_there_again_is_taken_away_again() -> None:
    body = pod(mounting("/a", TOKEN))
    after, _ = inject(body, tumblr)
    after["spec"]["containers"][0]["volumeMounts"].insert(0, {"name": "theirs", "mountPath": TOKEN})
    again, outcome = inject(after, tumblr)
    assert outcome.reason is Reason.REINJECTED
    assert [mount["mountPath"] for mount in again["spec"]["containers"][0]["volumeMounts"]] == ["/a"]
    assert inject(again, tumblr)[1].reason is Reason.ALREADY_INJECTED


def test_what_another_webhook_put_there_again_stays_alone_on_the_way_back() -> None:
    after, _ = inject(pod(mounting("/a", TOKEN)), tumblr)
    after["spec"]["containers"][0]["volumeMounts"].insert(0, {"name": "theirs", "mountPath": TOKEN})
    mounts = record.take_out(Pod.from_document(after)).body["spec"]["containers"][0]["volumeMounts"]
    assert mounts == [{"name": "theirs", "mountPath": TOKEN}, {"name": "v0", "mountPath": "/a"}]


def test_a_container_that_is_gone_takes_what_was_in_it_along() -> None:
    after, _ = inject(pod(mounting(TOKEN), {"name": "other", "image": "o"}), tumblr)
    del after["spec"]["containers"][0]
    assert record.take_out(Pod.from_document(after)).body == pod({"name": "other", "image": "o"})


def test_a_list_that_another_webhook_made_something_else_stays_as_it_is() -> None:
    after, _ = inject(pod(mounting(TOKEN)), tumblr)
    after["spec"]["containers"][0]["volumeMounts"] = {"odd": True}
    stripped = record.take_out(Pod.from_document(after))
    assert stripped.body["spec"]["containers"][0]["volumeMounts"] == {"odd": True}
    assert jsonpatch.apply_patch(after, stripped.operations) == stripped.body


FORGED = [
    {"at": "containers[app].volumeMounts[/etc]", "index": 0, "value": {"name": "root", "mountPath": "/etc"}},
    {"at": "containers[app].env[A]", "index": 0, "value": {"name": "A", "value": "evil"}},
]


@pytest.mark.parametrize("claim", FORGED)
def test_a_claim_of_something_that_the_rules_would_not_take_away_never_reaches_a_pod(claim: Json) -> None:
    forged = {"version": 2, "mesh": "sidecars", "template": "sha256:00", "taken": [claim]}
    body = pod(mounting("/a"))
    body["metadata"]["annotations"] = {record.ANNOTATION: json.dumps(forged)}
    ours = {"containers": [{"name": "app", "env": [{"name": "A", "value": "ours"}], "volumeMounts": [{"name": "v1", "mountPath": "/etc"}]}]}
    for how in (tumblr, always(bring({"hostname": "h"}))):
        after, outcome = inject(body, how)
        assert outcome.patch
        assert after["spec"]["containers"][0]["volumeMounts"] == [{"name": "v0", "mountPath": "/a"}]
        assert "evil" not in json.dumps(after)
        assert "taken" not in status(after)
        assert inject(after, how)[1].reason is Reason.ALREADY_INJECTED
    body["spec"]["volumes"] = [{"name": "v1"}]
    after, _ = inject(body, always(bring(ours)))
    assert after["spec"]["containers"][0]["env"] == [{"name": "A", "value": "ours"}]
    assert after["spec"]["containers"][0]["volumeMounts"][1] == {"name": "v1", "mountPath": "/etc"}


@pytest.mark.parametrize(
    "claim",
    [
        {"at": "volumes[x]", "index": 0, "value": {"name": "x", "hostPath": {"path": "/"}}},
        {"at": "containers[evil]", "index": 0, "value": {"name": "evil", "image": "x"}},
        {"at": "containers[app].ports[80/TCP]", "index": 0, "value": {"containerPort": 80}},
        {"at": "containers[app].volumeMounts[/x]", "index": 0, "value": {"name": "v0", "mountPath": "/y"}},
        {"at": "containers[app].volumeMounts[/x]", "index": -1, "value": {"name": "v0", "mountPath": "/x"}},
        {"at": "containers[app].volumeMounts[/x]", "index": 0, "value": {"name": 5, "mountPath": "/x"}},
        {"at": "containers[app].volumeMounts[/x]", "index": 0, "value": {"mountPath": "/x"}},
        {"at": "containers[app].volumeMounts[/x]", "index": 0, "value": {"name": "v0", "mountPath": "/x", "image": "x"}},
        {"at": "containers[app].volumeMounts[/x].name", "index": 0, "value": "x"},
        {"at": "containers.app.volumeMounts[/x]", "index": 0, "value": {"name": "v0", "mountPath": "/x"}},
        {"at": "no address", "index": 0, "value": None},
    ],
)
def test_a_claim_of_what_no_overlay_can_take_away_makes_it_no_record(claim: Json) -> None:
    assert record.read(json.dumps({"version": 2, "mesh": "m", "template": "t", "taken": [claim]})) is None


def test_a_place_beyond_the_end_of_a_list_is_its_end() -> None:
    claim = {"at": "containers[app].env[A]", "index": 10**30, "value": {"name": "A"}}
    body = pod({"name": "app", "image": "a", "env": [{"name": "B"}]})
    body["metadata"]["annotations"] = {record.ANNOTATION: json.dumps({"version": 2, "mesh": "m", "template": "t", "taken": [claim]})}
    stripped = record.take_out(Pod.from_document(body))
    assert stripped.body["spec"]["containers"][0]["env"] == [{"name": "B"}, {"name": "A"}]
    assert jsonpatch.apply_patch(body, stripped.operations) == stripped.body


# --- several decisions --------------------------------------------------------------------------------------------------------------


def rule(label: str, name: str, *, then: Follow | None = None, **metadata: Any) -> Follow:
    """One of several rules: it applies to pods with a label, and the next one is asked about the pod as it is then."""

    def decide(pod: Pod) -> Decision | None:
        if label not in pod.labels:
            return then(pod) if then else None
        return Decision(
            Reason.INJECTED, name, f"sha256:{name}", (bring({"hostname": name}, **metadata),), (f"warned by {name}",), then=then
        )

    return decide


def test_flashbots_selects_each_rule_by_the_pod_as_changed_so_far() -> None:
    rules = rule("later", "a", then=rule("app", "b", labels={"later": "yes"}, then=rule("later", "c", labels={"last": "yes"})))
    body = pod()
    after = goes_and_comes(body, rules)
    assert after["metadata"]["labels"] == {"app": "cart", "later": "yes", "last": "yes"}
    assert after["spec"]["hostname"] == "b"
    assert (status(after)["mesh"], status(after)["template"]) == ("c", "sha256:c")
    warnings = inject(body, rules)[1].warnings
    assert [text for text in warnings if text.startswith("warned")] == ["warned by b", "warned by c"]


def test_a_rule_whose_label_an_earlier_one_did_not_bring_is_not_asked_to_inject() -> None:
    after = goes_and_comes(pod(), rule("app", "a", then=rule("other", "b")))
    assert status(after)["mesh"] == "a"


def test_an_error_of_a_later_decision_is_the_pods() -> None:
    error = InjectionError(Reason.CONFIG_MAP_MISSING, "no such sidecar")
    later = Decision(error.reason, "b", error=error)
    outcome = inject(pod(), always(bring({"hostname": "h"}), then=lambda _pod: later))[1]
    assert (outcome.allowed, outcome.mesh, outcome.patch) == (False, "b", ())


def test_a_collision_in_a_later_decision_refuses_the_whole() -> None:
    later = always(bring({"containers": [{"name": "app", "image": "x"}]}))
    outcome = inject(pod(), always(bring({"hostname": "h"}), then=later))[1]
    assert (outcome.reason, outcome.patch) == (Reason.NAME_COLLISION, ())


def test_tumblr_brings_variables_into_the_containers_that_were_injected_too() -> None:
    def everywhere(pod: Pod) -> Decision:
        env = [{"name": "REGION", "value": "eu"}]
        spec = {"containers": [{"name": container.name, "env": env} for container in pod.containers]}
        return Decision(Reason.INJECTED, "sidecars", "sha256:00", (bring(spec),))

    after = goes_and_comes(pod(), always(bring({"containers": [{"name": "envoy", "image": "e"}]}), then=everywhere))
    assert [container["env"][0]["name"] for container in after["spec"]["containers"]] == ["REGION", "REGION"]


def test_flashbots_brings_affinity_only_where_the_pod_requires_none() -> None:
    required: Json = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": []}]}}
    brought = always(bring({"affinity": {"nodeAffinity": required}, "hostname": "h"}))
    others: Json = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    after = goes_and_comes(pod(affinity=others), brought)
    assert after["spec"]["affinity"] == {**others, "nodeAffinity": required}
    theirs: Json = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": []}]}}}
    assert goes_and_comes(pod(affinity=theirs), brought)["spec"]["affinity"] == theirs


# --- several overlays ---------------------------------------------------------------------------------------------------------------


def test_what_a_later_overlay_takes_away_of_an_earlier_ones_was_never_the_pods() -> None:
    first = bring({"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]}]})
    second = bring({"hostname": "h"}, Policies(takes_away={"env": frozenset({"A"})}))
    after = goes_and_comes(pod(), always(first, second))
    assert after["spec"]["containers"][0]["env"] == [{"name": "B", "value": "1"}]
    assert "taken" not in status(after)
    assert status(after)["added"] == ["containers[app].env[B]", "hostname"]


def test_what_a_later_overlay_replaces_of_an_earlier_ones_was_never_the_pods() -> None:
    first = bring({"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]})
    second = bring({"containers": [{"name": "app", "env": [{"name": "A", "value": "2"}]}]}, Policies({"env": Policy.REPLACE}))
    after = goes_and_comes(pod(), always(first, second))
    assert after["spec"]["containers"][0]["env"] == [{"name": "A", "value": "2"}]
    assert "taken" not in status(after)


def test_a_default_that_an_earlier_overlay_brought_was_never_the_pods() -> None:
    first, second = bring({"hostNetwork": False}), bring({"hostNetwork": True})
    after = goes_and_comes(pod(), always(first, second))
    assert after["spec"]["hostNetwork"] is True


def test_things_taken_away_by_several_overlays_come_back_in_their_places() -> None:
    env = [{"name": name} for name in "ABCD"]
    takes = [bring({"hostname": "h"}, Policies(takes_away={"env": frozenset(names)})) for names in ("AC", "B")]
    after = goes_and_comes(pod({"name": "app", "image": "a", "env": env}), always(*takes))
    assert after["spec"]["containers"][0]["env"] == [{"name": "D"}]


# --- overlays from documents --------------------------------------------------------------------------------------------------------


def test_an_error_of_an_overlay_from_documents_points_at_file_line_and_column() -> None:
    parts: Any = {("spec", "containers"): (DOCUMENT, ("containers",))}
    with pytest.raises(InjectionError) as caught:
        overlay.compose({"spec": {"containers": [{"name": "envoy", "imagee": "x"}]}}, FromDocuments(parts))
    assert caught.value.problem.where == "sidecars.yaml:4:5"
    assert "`spec.containers[0].imagee`: unknown field `imagee`" in caught.value.problem.what
    assert caught.value.problem.excerpt.endswith("^")
    assert caught.value.problem.fix == "did you mean `image`?"


def test_the_longest_part_says_where_a_field_comes_from() -> None:
    parent = document("env:\n  - name: 'a=b'\n", "parent.yaml")
    body = {"spec": {"containers": [{"name": "envoy", "image": "e", "env": [{"name": "a=b"}]}]}}
    parts: Any = {(): (DOCUMENT, ()), ("spec", "containers", 0, "env"): (parent, ("env",))}
    with pytest.raises(InjectionError) as caught:
        overlay.compose(body, FromDocuments(parts))
    assert caught.value.problem.where == "parent.yaml:2:5"


@pytest.mark.parametrize("depth", range(5))
def test_a_part_of_any_depth_says_where_a_field_comes_from(depth: int) -> None:
    path = ("spec", "containers", 0, "imagee")
    body: Json = {"spec": {"containers": [{"name": "envoy", "imagee": "x"}]}}
    written: Any = body
    for step in path[:depth]:
        written = written[step]
    source = document(json.dumps(written), "part.yaml")
    with pytest.raises(InjectionError) as caught:
        overlay.compose(body, FromDocuments({path[:depth]: (source, ())}))
    assert caught.value.problem.where.startswith("part.yaml:1:")


def test_a_field_that_no_document_brings_is_named() -> None:
    with pytest.raises(InjectionError) as caught:
        bring({"hostnam": "x"})
    assert (caught.value.problem.where, caught.value.problem.fix) == ("spec.hostnam", "did you mean `hostname`?")


def test_a_collision_of_an_overlay_from_documents_points_at_its_container() -> None:
    source = document("containers:\n  - name: app\n    image: x\n")
    brought = overlay.compose({"spec": copy.deepcopy(source.body)}, FromDocuments({("spec",): (source, ())}))
    with pytest.raises(InjectionError) as caught:
        place(pod(), brought)
    assert caught.value.problem.where == "sidecars.yaml:2:5"


def test_a_variable_that_collides_is_pointed_at_in_its_document() -> None:
    source = document("containers:\n  - name: bare\n  - name: app\n    env:\n      - name: Z\n      - name: A\n        value: '2'\n")
    policies = Policies({"env": Policy.REFUSE})
    brought = overlay.compose({"spec": copy.deepcopy(source.body)}, FromDocuments({("spec",): (source, ())}), policies=policies)
    body = pod({"name": "app", "image": "a", "env": [{"name": "A", "value": "1"}]}, {"name": "bare", "image": "b"})
    with pytest.raises(InjectionError) as caught:
        place(body, brought)
    assert caught.value.problem.where == "sidecars.yaml:6:9"
    assert caught.value.problem.what.endswith("the pod has another env `A`")


def test_a_container_that_asks_for_the_same_in_other_words_is_equal() -> None:
    own = {"name": "app", "image": "a", "resources": {"limits": {"cpu": "1"}}}
    brought = bring({"containers": [{**own, "resources": {"limits": {"cpu": "1000m"}}}]}, Policies({"containers": Policy.REFUSE}))
    after, done = place(pod(own), brought)
    assert (after, done.operations, done.warnings) == (pod(own), [], [])


def test_beside_what_is_skipped_the_rest_is_judged() -> None:
    keep = Policies({"containers": Policy.KEEP})
    mounting_nothing = {"name": "envoy", "image": "e", "volumeMounts": [{"name": "gone", "mountPath": "/x"}]}
    skipped = {"name": "app", "image": "other"}
    with pytest.raises(InjectionError, match="mounts the volume `gone`"):
        place(pod(), bring({"containers": [skipped, mounting_nothing]}, keep))
    about = {"container.apparmor.security.beta.kubernetes.io/gone": "runtime/default"}
    with pytest.raises(InjectionError, match="is about the container `gone`, which is not there"):
        place(pod(), bring({"containers": [skipped]}, keep, annotations=about))
    about = {"container.apparmor.security.beta.kubernetes.io/app": "runtime/default"}
    assert place(pod(), bring({"containers": [skipped]}, keep, annotations=about))[0]["metadata"]["annotations"] == about
