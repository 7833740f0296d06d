"""What stands in the webhook configuration, for which meshes, and what is left out where there is no room."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_injector import reasons
from mesh_injector.engine import selector
from mesh_injector.engine.rules import Registration
from mesh_injector.engine.selector import Selector
from mesh_injector.kube import entries
from mesh_injector.kube.entries import ASKED, MESHES, Entry, Plan, Planner, Target
from mesh_injector.server.witness import witness

HOME = "mesh-system"
PLANNER = Planner(Target(ca=b"ca"), HOME)
EXCLUDED = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-node-lease", "kube-public", "kube-system", HOME]}
NOT_DISABLED = {"key": "mesh-injector.io/inject", "operator": "NotIn", "values": ["disabled"]}
NOT_FALSE = {"key": "mesh-injector.io/inject", "operator": "NotIn", "values": ["false"]}


def asks(
    mesh: str = "mesh-system/payments", *, generation: int = 1, pods: Any = None, namespaces: Any = None, required: bool = True
) -> Registration:
    def parsed(body: Any) -> Selector | None:
        return None if body is None else selector.parse(body)

    namespace = mesh.partition("/")[0]
    return Registration(mesh, generation, parsed(pods), parsed(namespaces), "" if namespace == HOME else namespace, required)


def many(count: int, namespace: str = HOME, **fields: Any) -> list[Registration]:
    return [asks(f"{namespace}/mesh-{number:04}", **fields) for number in range(count)]


def large(values: int) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "app", "operator": "In", "values": [f"{number:0>60}" for number in range(values)]}]}


def only(*asked: Registration) -> Entry:
    (found,) = (entry for name, entry in PLANNER.plan(asked).entries.items() if name != ASKED)
    return found


def shown(plan: Plan) -> set[str]:
    return set(plan.entries) - {ASKED}


# --- one entry ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", [0, 1, 10**17])
@pytest.mark.parametrize("mesh", ["mesh-system/payments", "shop/payments"])
def test_every_path_is_one_where_reviews_are_answered_also_that_of_a_mesh_from_a_file(mesh: str, generation: int) -> None:
    for entry in PLANNER.plan([asks(mesh, generation=generation)]).entries.values():
        assert witness(entry["clientConfig"]["service"]["path"]) is not None, entry["name"]


def test_an_entry_has_every_field_that_the_contract_names() -> None:
    assert only(asks(generation=7, pods={"matchLabels": {"app": "cart"}})) == {
        "name": "payments.mesh-system.mesh-injector.io",
        "clientConfig": {
            "service": {"namespace": "mesh-system", "name": "mesh-injector", "path": "/mutate/mesh-system/payments/7", "port": 443},
            "caBundle": base64.b64encode(b"ca").decode(),
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": [NOT_DISABLED, EXCLUDED]},
        "objectSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["cart"]}, NOT_FALSE]},
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "admissionReviewVersions": ["v1"],
        "matchConditions": [
            {
                "name": "not-a-mirror-pod",
                "expression": "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)",
            },
            {"name": "not-on-the-host-network", "expression": "!has(object.spec.hostNetwork) || !object.spec.hostNetwork"},
        ],
        "reinvocationPolicy": "IfNeeded",
    }


@pytest.mark.parametrize(("required", "policy"), [(True, "Fail"), (False, "Ignore")])
def test_only_a_mesh_that_refuses_may_keep_pods_from_being_created_in_an_outage(required: bool, policy: str) -> None:
    assert only(asks(required=required))["failurePolicy"] == policy


def test_a_tenants_mesh_is_asked_about_pods_of_its_namespace_only() -> None:
    within = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}
    own = {"key": "team", "operator": "Exists"}
    found = only(asks("shop/cart", namespaces={"matchExpressions": [own]}))
    assert found["namespaceSelector"]["matchExpressions"] == [own, within, NOT_DISABLED, EXCLUDED]


def test_a_url_takes_the_place_of_the_service_and_a_ca_that_is_not_known_is_left_out() -> None:
    plan = Planner(Target(url="https://10.0.0.1:8443/under/", ca=b""), HOME).plan([asks()])
    assert plan.entries["payments.mesh-system.mesh-injector.io"]["clientConfig"] == {
        "url": "https://10.0.0.1:8443/under/mutate/mesh-system/payments/1"
    }


def test_pods_that_ask_by_their_label_are_asked_about_whatever_meshes_there_are() -> None:
    (entry,) = PLANNER.plan([]).entries.values()
    assert (entry["name"], entry["failurePolicy"], entry["clientConfig"]["service"]["path"]) == (ASKED, "Ignore", "/mutate")
    assert entry["objectSelector"] == {"matchExpressions": [{"key": "mesh-injector.io/inject", "operator": "In", "values": ["true"]}]}
    assert entry["namespaceSelector"] == {"matchExpressions": [EXCLUDED]}
    assert "matchConditions" not in entry  # the API server drops an empty list, and the entry would never be equal


LABEL = st.from_regex(r"\A[a-z]([a-z0-9.-]{0,10}[a-z0-9])?\Z")
EXPRESSION = st.one_of(
    st.fixed_dictionaries({"key": LABEL, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(LABEL, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"key": LABEL, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
BODY = st.none() | st.fixed_dictionaries(
    {}, optional={"matchLabels": st.dictionaries(LABEL, LABEL, max_size=3), "matchExpressions": st.lists(EXPRESSION, max_size=3)}
)


@given(BODY, st.dictionaries(LABEL, LABEL, max_size=4))
def test_an_entry_selects_what_the_mesh_selects(body: Any, labels: dict[str, str]) -> None:
    registered = selector.parse(only(asks(pods=body))["objectSelector"])
    assert (registered.mismatch(labels) is None) == (body is None or selector.parse(body).mismatch(labels) is None)
    assert registered.mismatch(labels | {"mesh-injector.io/inject": "false"})


# --- several --------------------------------------------------------------------------------------------------------------------------


@given(st.permutations([asks("shop/a"), asks("shop/b"), asks("mesh-system/a"), asks("mesh-system/c")]))
def test_the_order_of_the_meshes_changes_nothing(asked: Sequence[Registration]) -> None:
    plan = PLANNER.plan(asked)
    assert json.dumps(plan.entries) == json.dumps(PLANNER.plan(sorted(asked, key=lambda one: one.mesh)).entries)
    assert plan.of_mesh["shop/a"] == "a.shop.mesh-injector.io"


def test_up_to_the_limit_every_mesh_has_an_entry_of_its_own() -> None:
    plan = PLANNER.plan([*many(MESHES - 100), *many(100, "shop")])
    assert (len(shown(plan)), len(set(plan.of_mesh.values())), plan.left_out) == (MESHES, MESHES, {})


def test_above_it_the_meshes_of_a_tenants_namespace_share_one_for_all_its_pods() -> None:
    plan = PLANNER.plan([*many(MESHES - 1), *many(2, "shop", required=False, pods={}), asks("shop/must")])
    shared = plan.entries["all.in.shop.mesh-injector.io"]
    assert {plan.of_mesh[mesh] for mesh in ("shop/mesh-0000", "shop/mesh-0001", "shop/must")} == {shared["name"]}
    assert shared["clientConfig"]["service"]["path"] == "/mutate/shop"
    assert shared["objectSelector"] == {"matchExpressions": [NOT_FALSE]}
    assert shared["namespaceSelector"]["matchExpressions"][0] == {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": ["shop"],
    }
    assert shared["failurePolicy"] == "Fail"
    assert (len(shown(plan)), plan.left_out) == (MESHES, {})


def test_of_the_namespaces_only_as_many_share_as_must_the_largest_first() -> None:
    plan = PLANNER.plan([*many(MESHES - 4), *many(2, "few"), *many(5, "more")])
    assert "all.in.more.mesh-injector.io" in plan.entries
    assert {"mesh-0000.few.mesh-injector.io", "mesh-0001.few.mesh-injector.io"} <= plan.entries.keys()


def test_more_home_meshes_than_the_limit_are_left_out_and_those_that_were_there_stay() -> None:
    before = PLANNER.plan(many(MESHES))
    plan = PLANNER.plan([asks("mesh-system/a-new-one"), *many(MESHES), asks("shop/tenant")], present=before.entries)
    (mesh, problem), *others = plan.left_out.items()
    assert (mesh, problem.code, others) == ("mesh-system/a-new-one", reasons.NO_ROOM, [])
    assert "400" in problem.what
    assert plan.of_mesh["shop/tenant"] == "tenant.shop.mesh-injector.io"


def test_a_selector_that_is_too_large_harms_only_its_own_mesh() -> None:
    plan = PLANNER.plan([asks("mesh-system/large", pods=large(1200)), asks("shop/large", pods=large(1200)), asks("mesh-system/small")])
    assert set(plan.left_out) == {"mesh-system/large"}
    assert "bytes of the webhook configuration" in plan.left_out["mesh-system/large"].what
    assert plan.of_mesh == {"mesh-system/small": "small.mesh-system.mesh-injector.io", "shop/large": "all.in.shop.mesh-injector.io"}


@pytest.mark.parametrize("namespace", [HOME, "shop"])
def test_all_together_stay_below_what_an_object_may_hold(namespace: str) -> None:
    asked = [*many(300, namespace, pods=large(300)), *many(50, "small")]
    plan = PLANNER.plan(asked)
    assert len(json.dumps(list(plan.entries.values()), separators=(",", ":"))) < 1_500_000
    assert {*plan.of_mesh, *plan.left_out} == {one.mesh for one in asked}
    assert all(name.startswith("mesh-system/") for name in plan.left_out)


def test_the_limit_has_room_for_a_bundle_of_two_certificates_in_each_entry() -> None:
    plan = Planner(Target(ca=b"x" * 2400), HOME).plan(many(MESHES, pods={"matchLabels": {"app": "cart"}}))
    assert (len(shown(plan)), plan.left_out) == (MESHES, {})


def test_the_size_of_the_ca_counts() -> None:
    plan = Planner(Target(ca=b"x" * 12_000), HOME).plan([*many(50), *many(200, "shop")])
    assert len(shown(plan)) == 51
    assert set(plan.of_mesh.values()) >= {"all.in.shop.mesh-injector.io"}
    plan = Planner(Target(ca=b"x" * 12_000), HOME).plan(many(200))
    assert {problem.code for problem in plan.left_out.values()} == {reasons.NO_ROOM}


# --- what has become wrong ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mesh", ["mesh-system/payments", "shop/cart"])
def test_the_entry_of_a_mesh_that_has_become_wrong_stays_and_leads_to_where_we_are_now(mesh: str) -> None:
    before = PLANNER.plan([asks(mesh, generation=3, pods={"matchLabels": {"app": "a"}})])
    plan = Planner(Target(url="https://elsewhere", ca=b"new"), HOME).plan([], broken=[mesh], present=before.entries)
    name = before.of_mesh[mesh]
    client = {"url": f"https://elsewhere/mutate/{mesh}/3", "caBundle": base64.b64encode(b"new").decode()}
    assert plan.entries[name] == before.entries[name] | {"clientConfig": client}
    assert plan.of_mesh == {mesh: name}
    again = PLANNER.plan([], broken=[mesh], present=plan.entries)
    assert again.entries == before.entries


def test_a_mesh_that_was_never_good_has_no_entry() -> None:
    plan = PLANNER.plan([asks()], broken=["shop/wrong"])
    assert (set(plan.of_mesh), plan.left_out) == ({"mesh-system/payments"}, {})


def test_the_shared_entry_stays_for_one_that_has_become_wrong() -> None:
    asked = [*many(MESHES), *many(2, "shop")]
    before = PLANNER.plan(asked)
    plan = PLANNER.plan([one for one in asked if one.only_in != "shop"], broken=["shop/mesh-0000"], present=before.entries)
    assert plan.of_mesh["shop/mesh-0000"] == "all.in.shop.mesh-injector.io"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (ASKED, True),
        ("payments.mesh-system.mesh-injector.io", True),
        ("all.in.shop.mesh-injector.io", True),
        ("a.b.c.mesh-injector.io", False),
        ("other.mesh-injector.io", False),
        ("payments.mesh-system.example.com", False),
    ],
)
def test_what_is_called_otherwise_is_not_ours(name: str, ours: bool) -> None:
    assert entries.is_ours(name) is ours
