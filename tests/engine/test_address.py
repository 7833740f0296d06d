"""Addresses: how they are written, read back, and found in a pod."""

from typing import Any

import pytest

from mesh_injector.engine import address, schema
from mesh_injector.engine.address import Item

POD: dict[str, Any] = {
    "metadata": {"labels": {"a.b/c~d": "x", "gone": None}, "finalizers": ["f"]},
    "spec": {
        "containers": [
            {"name": "app", "env": [{"name": "A[0]", "value": "1"}, {"name": "B"}, {"name": "B", "value": "second"}]},
            {"name": "web", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]},
        ],
        "tolerations": [{"key": "x", "operator": "Exists", "value": ""}],
        "hostname": "h",
    },
}


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (("hostname",), "hostname"),
        (("containers", Item("envoy")), "containers[envoy]"),
        (("containers", Item("app"), "env", Item("FOO")), "containers[app].env[FOO]"),
        (("containers", Item("app"), "ports", Item("8080/TCP")), "containers[app].ports[8080/TCP]"),
        (("labels", Item("a.b/c")), "labels[a\\.b/c]"),
        (("annotations", Item("[x].\\")), "annotations[\\[x\\]\\.\\\\]"),
        (("volumeMounts", Item("/a\nb")), "volumeMounts[/a\nb]"),
        (("imagePullSecrets", Item("")), "imagePullSecrets[]"),
        (("securityContext", "seLinuxOptions", "level"), "securityContext.seLinuxOptions.level"),
    ],
)
def test_an_address_is_read_as_it_is_written(steps: address.Address, text: str) -> None:
    assert address.write(steps) == text
    assert address.read(text) == steps


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a[", "a[x", "a[x]]", "a[x]b", "a]", "1a", "a b", "a.[x]", "a[x.y]", "a[\\x]", "a[[x]]", "ä", "a-b"],
)
def test_what_we_would_not_write_is_no_address(text: str) -> None:
    assert address.read(text) is None


@pytest.mark.parametrize(
    ("item", "keys", "key"),
    [
        ({"name": "A"}, ("name",), "A"),
        ({"name": None}, ("name",), ""),
        ({}, ("name",), ""),
        ({"containerPort": 80, "protocol": "UDP"}, ("containerPort", "protocol"), "80/UDP"),
        ({"containerPort": 80}, ("containerPort", "protocol"), "80/TCP"),
        ({"containerPort": 80, "protocol": None}, ("containerPort", "protocol"), "80/TCP"),
        ({"containerPort": 80, "protocol": ""}, ("containerPort", "protocol"), "80/TCP"),
        ({"name": "A"}, (), "#b2c9ee672db1"),
        ("text", ("name",), "#1e1d0f251d3a"),
    ],
)
def test_an_item_is_named_by_its_keys_or_by_its_digest(item: Any, keys: tuple[str, ...], key: str) -> None:
    assert address.item_key(item, keys) == key


def test_the_digest_of_an_item_forgets_order_and_empty_members() -> None:
    one: dict[str, Any] = {"key": "a", "operator": "Exists", "value": "", "tolerationSeconds": None, "more": {"x": {}}, "list": []}
    assert address.item_key(one, ()) == address.item_key({"operator": "Exists", "key": "a"}, ())
    assert address.item_key(one, ()) != address.item_key({"operator": "Exists", "key": "b"}, ())
    assert address.item_key({"key": "a", "tolerationSeconds": 0}, ()) != address.item_key({"key": "a"}, ())


def test_empty_members_are_left_out_at_every_depth_and_items_stay() -> None:
    assert address.without_empty({"a": [{"b": 0, "c": 1, "h": None}, {}], "d": {"e": {"f": ""}}}) == {"a": [{"b": 0, "c": 1}, {}]}


@pytest.mark.parametrize(
    ("field", "keys"),
    [
        ("volumes", ("name",)),
        ("tolerations", ()),
        ("hostAliases", ()),
        ("topologySpreadConstraints", ("topologyKey", "whenUnsatisfiable")),
        ("hostname", ()),
        ("nothing", ()),
    ],
)
def test_the_merge_keys_are_those_of_kubernetes_unless_items_are_equal_only_whole(field: str, keys: tuple[str, ...]) -> None:
    spec = schema.POD.field("spec")
    assert spec is not None
    assert address.keys_of(spec.field(field), field) == keys


def test_ports_are_the_same_by_number_and_protocol() -> None:
    found = address.find(POD, ("containers", Item("web"), "ports"))
    assert found is not None
    assert address.keys_of(found.node, "ports") == ("containerPort", "protocol")


@pytest.mark.parametrize(
    ("text", "pointer", "value"),
    [
        ("hostname", "/spec/hostname", "h"),
        ("labels[a\\.b/c~d]", "/metadata/labels/a.b~1c~0d", "x"),
        ("containers[app].env[A\\[0\\]]", "/spec/containers/0/env/0", {"name": "A[0]", "value": "1"}),
        ("containers[app].env[B]", "/spec/containers/0/env/1", {"name": "B"}),
        ("containers[web].ports[80/UDP]", "/spec/containers/1/ports/1", {"containerPort": 80, "protocol": "UDP"}),
        ("tolerations[#317217bde841]", "/spec/tolerations/0", {"key": "x", "operator": "Exists", "value": ""}),
    ],
)
def test_a_place_is_found_with_its_pointer_and_a_doubled_name_is_the_first(text: str, pointer: str, value: Any) -> None:
    steps = address.read(text)
    assert steps is not None
    place = address.find(POD, steps)
    assert place is not None
    assert (place.pointer, place.value) == (pointer, value)


@pytest.mark.parametrize(
    "text",
    [
        "labels[gone]",
        "labels[none]",
        "annotations[x]",
        "containers[none]",
        "containers[none].env[A]",
        "containers[app].ports[80/TCP]",
        "hostname[x]",
        "hostname.x",
        "dnsPolicy",
    ],
)
def test_what_is_not_there_is_not_found(text: str) -> None:
    steps = address.read(text)
    assert steps is not None
    assert address.find(POD, steps) is None


def test_a_field_that_kubernetes_does_not_know_is_found_without_a_node() -> None:
    place = address.find({"spec": {"newer": {"field": {"x": [{"y": 1}]}}}}, ("newer", "field", "x"))
    assert place is not None
    assert (place.value, place.node) == ([{"y": 1}], None)
    inside = address.find({"spec": {"newer": ["z"]}}, ("newer", Item(address.item_key("z", ()))))
    assert inside is not None
    assert (inside.value, inside.node) == ("z", None)


def test_an_item_that_is_equal_only_whole_is_found_by_its_digest_though_kubernetes_has_a_key_for_it() -> None:
    alias = {"ip": "10.0.0.1", "hostnames": ["a"]}
    where = ("hostAliases", Item(address.item_key(alias, ())))
    place = address.find({"spec": {"hostAliases": [{"ip": "10.0.0.1"}, alias]}}, where)
    assert place is not None
    assert (place.pointer, place.value) == ("/spec/hostAliases/1", alias)


def test_the_parent_of_one_step_is_its_half_of_the_pod() -> None:
    parent = address.parent(POD, ("hostname",))
    assert parent is not None
    assert (parent.pointer, parent.value) == ("/spec", POD["spec"])
    assert address.parent({"spec": {}}, ("labels",)) is None


def test_pointers_are_escaped() -> None:
    assert address.escape("a/b~c~1") == "a~1b~0c~01"


def test_an_item_that_was_appended_whole_to_a_list_with_keys_is_found_by_its_digest() -> None:
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    body = {"spec": {"containers": [{"name": "app", "env": twice}]}}
    where = ("containers", address.Item("app"), "env", address.Item(address.item_key(twice[1], ())))
    found = address.find(body, where)
    assert found is not None
    assert (found.pointer, found.value) == ("/spec/containers/0/env/1", twice[1])
    assert address.find(body, (*where[:3], address.Item("#000000000000"))) is None


def test_an_item_put_behind_one_of_its_key_leaves_the_first_to_be_found() -> None:
    env: list[Any] = [{"name": "A", "value": "1"}]
    finder = address.Finder({"spec": {"containers": [{"name": "app", "env": env}]}})
    where = ("containers", Item("app"), "env", Item("A"))
    assert finder.find(where) is not None
    finder.put(env, 1, {"name": "A", "value": "2"})
    behind = finder.find(where)
    finder.put(env, 0, {"name": "A", "value": "0"})
    before = finder.find(where)
    assert behind is not None
    assert before is not None
    assert (behind.pointer, before.pointer, before.value["value"]) == ("/spec/containers/0/env/0", "/spec/containers/0/env/0", "0")


@pytest.mark.parametrize("keys", [("name",), ("topologyKey", "whenUnsatisfiable"), ("containerPort", "protocol"), ()])
def test_many_items_are_named_as_each_by_itself(keys: tuple[str, ...]) -> None:
    items: list[Any] = [{"name": "A"}, {"name": 5}, {}, "text", {"topologyKey": "zone", "whenUnsatisfiable": "x"}, {"containerPort": 1}]
    assert address.item_keys(items, keys) == [address.item_key(item, keys) for item in items]


def test_half_a_surrogate_pair_has_a_digest_like_any_text() -> None:
    assert address.item_key("\ud800", ()) == "#ee4a76500d4d"


def test_an_item_that_is_equal_only_whole_is_not_found_by_the_key_that_kubernetes_has_for_it() -> None:
    body = {"spec": {"hostAliases": [{"ip": "10.0.0.1"}], "containers": [{"name": "app", "env": [{"name": "#odd"}]}]}}
    assert address.find(body, ("hostAliases", Item("10.0.0.1"))) is None
    odd = address.find(body, ("containers", Item("app"), "env", Item("#odd")))
    assert odd is not None
    assert odd.value == {"name": "#odd"}
