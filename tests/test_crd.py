import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mesh_injector import documents
from mesh_injector.engine import selector
from mesh_injector.formats.mesh import spec as mesh_spec

ROOT = Path(__file__).parents[1]
FILE = ROOT / "crds" / "mesh-injector.io_meshes.yaml"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "generate_crd.py"))
CRD = yaml.safe_load(FILE.read_text("utf-8"))
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]

Schema = dict[str, Any]


def places(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema within a schema, with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from places(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from places(schema[key], f"{path}[]")


def strict(schema: Schema) -> Schema:
    """What the API server checks besides rules when it is asked to be strict, as JSON schema."""
    made = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if "properties" in schema:
        made |= {"properties": {name: strict(inner) for name, inner in schema["properties"].items()}, "additionalProperties": False}
    if "items" in schema:
        made |= {"items": strict(schema["items"]), "uniqueItems": schema.get("x-kubernetes-list-type") == "set"}
    if "additionalProperties" in schema:
        made["additionalProperties"] = strict(schema["additionalProperties"])
    if schema.get("nullable"):
        made["type"] = [schema["type"], "null"]
    return made


CLUSTER = jsonschema_rs.Draft4Validator(strict(SPEC))


def without_nulls(value: Any, schema: Schema) -> Any:
    """A value as the API server takes it: a field that is null and may not be is absent."""
    if isinstance(value, list) and "items" in schema:
        return [without_nulls(item, schema["items"]) for item in value]
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    inner = {key: schema.get("properties", {}).get(key) or schema.get("additionalProperties") or {"nullable": True} for key in value}
    return {key: without_nulls(item, inner[key]) for key, item in value.items() if item is not None or inner[key].get("nullable")}


def cluster_accepts(spec: Any) -> bool:
    return CLUSTER.is_valid(without_nulls(spec, SPEC))


def document(spec: Any) -> documents.Document:
    body = {"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "m", "namespace": "shop"}, "spec": spec}
    return documents.parse(documents.dump(body), "mesh.yaml").documents[0]


def we_accept(spec: Any) -> bool:
    parsed, problems = mesh_spec.parse(document(spec))
    if parsed is None:
        assert problems
        return False
    parts = parsed.injection_selector
    if parts is None:
        return True
    given = [body for body in (parts.pod_selector, parts.namespace_selector) if body is not None]
    return bool(given) and all(reads(body) for body in given)


def reads(body: Schema) -> bool:
    try:
        selector.parse(body)
    except ValueError:
        return False
    return True


def select(**body: Any) -> Schema:
    return {"injectionSelector": {"podSelector": body}}


def test_the_file_is_what_the_script_writes():
    SCRIPT["main"](["--check"])
    assert FILE.read_text("utf-8") == SCRIPT["as_text"]()


def test_a_file_that_differs_is_told_and_written_anew(tmp_path, monkeypatch, capsys):
    target = tmp_path / "meshes.yaml"
    monkeypatch.setitem(SCRIPT["main"].__globals__, "TARGET", target)
    with pytest.raises(SystemExit, match="run it without --check"):
        SCRIPT["main"](["--check"])
    SCRIPT["main"]([])
    assert target.read_text("utf-8") == FILE.read_text("utf-8")
    assert str(target) in capsys.readouterr().out


def test_it_is_called_mesh_and_never_by_a_short_name_that_others_own():
    names = {"kind": "Mesh", "listKind": "MeshList", "plural": "meshes", "singular": "mesh", "shortNames": ["mi"]}
    assert CRD["metadata"] == {"name": "meshes.mesh-injector.io"}
    assert CRD["spec"]["names"] == names
    assert (CRD["spec"]["group"], CRD["spec"]["scope"], VERSION["name"]) == (mesh_spec.GROUP, "Namespaced", mesh_spec.VERSION)
    assert (VERSION["served"], VERSION["storage"], VERSION["subresources"]) == (True, True, {"status": {}})


def test_kubectl_get_shows_what_matters_and_with_wide_the_rest():
    columns = {column["name"]: column.get("priority", 0) for column in VERSION["additionalPrinterColumns"]}
    assert [name for name, priority in columns.items() if priority == 0] == ["Auto-Inject", "Mode", "Ready", "Age"]
    assert [name for name, priority in columns.items() if priority == 1] == ["Region", "Node-Label", "ConfigMap", "Template", "Reason"]


def test_every_field_has_a_description_of_one_line():
    fields = [(path, inner) for path, inner in places(SCHEMA) if not path.endswith("[]") and not path.startswith(".metadata")]
    assert len(fields) > 40
    for path, inner in fields:
        assert inner.get("description", "").endswith("."), path
        assert "\n" not in inner["description"], path


def test_every_list_map_and_text_is_bounded():
    bounds = {"array": "maxItems", "string": "maxLength", "integer": "minimum"}
    for path, inner in places(SCHEMA):
        if path.startswith(".metadata"):
            continue
        free = "additionalProperties" in inner or "x-kubernetes-preserve-unknown-fields" in inner
        bound = "maxProperties" if free else bounds.get(inner["type"])
        assert bound is None or bound in inner or "enum" in inner, path


def test_a_mesh_that_names_nothing_gets_the_defaults_that_we_read():
    assert SPEC["default"] == {}
    in_cluster = {name: inner["default"] for name, inner in SPEC["properties"].items() if "default" in inner}
    parsed, _ = mesh_spec.parse(document({}))
    assert parsed is not None
    ours = parsed.model_dump(by_alias=True, mode="json")
    assert {name: value for name, value in ours.items() if value not in (None, {}, [])} | {
        "enableAutoInject": False,
        "priority": 0,
    } == in_cluster
    assert {name for name in ours if name not in in_cluster} == {
        *("region", "injectionSelector", "sidecarPatchConfigMap", "values", "overrides"),
    }


GOOD: dict[str, Schema] = {
    "nothing": {},
    "only nulls": {"region": None, "mode": None, "injectionSelector": None, "values": None, "priority": None},
    "one selector of two": {"injectionSelector": {"podSelector": {}, "namespaceSelector": None}},
    "null members": select(matchLabels=None, matchExpressions=[{"key": "app", "operator": "Exists", "values": None}]),
    "an empty label value": select(matchLabels={"app": "", "shop.example/tier": "a_B.c-9"}),
    "the most labels": select(matchLabels={f"key{number}": "" for number in range(64)}),
    "the most conditions": select(matchExpressions=[{"key": "app", "operator": "NotIn", "values": ["x"] * 256}] * 64),
    "a reference": {"sidecarPatchConfigMap": {"name": "envoy.v2-side", "namespace": None, "key": ".patch..j2"}},
    "any values": {"values": {"": None, "a": [1, {"b": None}], "c": 1.5, "d": True}},
    "the most overrides": {"overrides": [f"{number}" + "x" * 61 for number in range(10, 64)]},
    "the least priority": {"priority": -(2**31)},
    "the highest priority": {"priority": 2**31 - 1},
    "the longest label": {"virtualNodeLabel": "a" * 253 + "/" + "B" * 63},
}
BAD: dict[str, Schema] = {
    "an unknown field": {"regions": "eu"},
    "a long region": {"region": "e" * 64},
    "an upper-case region": {"region": "EU"},
    "an empty region": {"region": ""},
    "a line feed after a region": {"region": "eu\n"},
    "a region that is a number": {"region": 1},
    "a quoted boolean": {"enableAutoInject": "true"},
    "a quoted number": {"priority": "1"},
    "a boolean for a number": {"priority": True},
    "a priority above int32": {"priority": 2**31},
    "a priority below int32": {"priority": -(2**31) - 1},
    "another mode": {"mode": "audit"},
    "a label with two slashes": {"virtualNodeLabel": "a/b/c"},
    "a label with an empty prefix": {"virtualNodeLabel": "/b"},
    "a label with two dots": {"virtualNodeLabel": "a..b/c"},
    "a label that is too long": {"virtualNodeLabel": "a" * 64},
    "an unnamed ConfigMap": {"sidecarPatchConfigMap": {"key": "a"}},
    "a ConfigMap of no name": {"sidecarPatchConfigMap": {"name": None}},
    "an upper-case ConfigMap": {"sidecarPatchConfigMap": {"name": "Envoy"}},
    "a long ConfigMap": {"sidecarPatchConfigMap": {"name": "a" * 254}},
    "a namespace with a dot": {"sidecarPatchConfigMap": {"name": "a", "namespace": "a.b"}},
    "a key that is a way up": {"sidecarPatchConfigMap": {"name": "a", "key": "..a"}},
    "a key that is a dot": {"sidecarPatchConfigMap": {"name": "a", "key": "."}},
    "a long key": {"sidecarPatchConfigMap": {"name": "a", "key": "k" * 254}},
    "values in a list": {"values": []},
    "too many values": {"values": {str(number): 1 for number in range(257)}},
    "an override that is no name": {"overrides": ["a/b"]},
    "an override that is too long": {"overrides": ["a" * 64]},
    "an override that is null": {"overrides": [None]},
    "an override twice": {"overrides": ["a", "b", "a"]},
    "too many overrides": {"overrides": [f"a{number}" for number in range(65)]},
    "one override": {"overrides": "a"},
    "a selector that is text": {"injectionSelector": {"podSelector": "app"}},
    "an unknown selector": {"injectionSelector": {"pods": {}}},
    "an unknown part of a selector": select(matchLabel={}),
    "labels in a list": select(matchLabels=["app"]),
    "a label that is a number": select(matchLabels={"app": 1}),
    "a label value with a line feed": select(matchLabels={"app": "x\n"}),
    "a label value that is too long": select(matchLabels={"app": "x" * 64}),
    "too many labels": select(matchLabels={f"key{number}": "" for number in range(65)}),
    "too many conditions": select(matchExpressions=[{"key": "app", "operator": "Exists"}] * 65),
    "too many values of a condition": select(matchExpressions=[{"key": "app", "operator": "In", "values": ["x"] * 257}]),
    "an unknown operator": select(matchExpressions=[{"key": "app", "operator": "Gt", "values": ["1"]}]),
    "no operator": select(matchExpressions=[{"key": "app"}]),
    "no key": select(matchExpressions=[{"key": None, "operator": "Exists"}]),
    "a key that is none": select(matchExpressions=[{"key": "a b", "operator": "Exists"}]),
    "a condition that is null": select(matchExpressions=[None]),
    "a value that is null": select(matchExpressions=[{"key": "app", "operator": "In", "values": [None]}]),
}
RULED: dict[str, list[Schema]] = {
    "has(self.injectionSelector.podSelector) ||": [
        {"injectionSelector": {}},
        {"injectionSelector": {"podSelector": None, "namespaceSelector": None}},
    ],
    "key.matches(": [select(matchLabels={"a b": "x"}), select(matchLabels={"a..b/c": "x"}), select(matchLabels={"": "x"})],
    "!= null": [select(matchLabels={"app": None})],
    "has(self.values) && size(self.values) > 0": [
        select(matchExpressions=[{"key": "app", "operator": "In"}]),
        select(matchExpressions=[{"key": "app", "operator": "NotIn", "values": []}]),
        select(matchExpressions=[{"key": "app", "operator": "In", "values": None}]),
    ],
    "|| size(self.values) == 0": [select(matchExpressions=[{"key": "app", "operator": "DoesNotExist", "values": ["x"]}])],
}
"""What a rule in CEL refuses, by a part of the rule: the schema alone lets it through."""


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_in_the_cluster_is_good_in_a_file(name):
    assert (cluster_accepts(GOOD[name]), we_accept(GOOD[name])) == (True, True)


@pytest.mark.parametrize("name", BAD)
def test_what_the_cluster_refuses_we_refuse_in_a_file(name):
    assert (cluster_accepts(BAD[name]), we_accept(BAD[name])) == (False, False)


@pytest.mark.parametrize("part", RULED)
def test_what_a_rule_refuses_we_refuse_in_a_file(part):
    rules = [rule["rule"] for _, inner in places(SPEC) for rule in inner.get("x-kubernetes-validations", ())]
    assert any(part in rule for rule in rules)
    for spec in RULED[part]:
        assert (cluster_accepts(spec), we_accept(spec)) == (True, False)


def test_every_rule_says_the_fix_and_names_a_field_that_exists():
    ruled = [(inner, rule) for _, inner in places(SCHEMA) for rule in inner.get("x-kubernetes-validations", ())]
    assert len(ruled) == 1 + 2 + 2 * (2 + 2)
    for schema, rule in ruled:
        assert any(word in rule["message"] for word in ("write", "give", "use", "set", "must be", "remove")), rule
        field = schema
        for name in rule.get("fieldPath", "").split(".")[1:]:
            field = field["properties"][name]


ODD = st.sampled_from([None, True, 0, 7, 1.5, "", "a", "A-", "eu\n", "First", "In", [], ["a"], ["a", "a"], {}, {"a": None}, {"name": "x"}])
NAME = st.one_of(ODD, st.text("aZ9-_./\n", max_size=8), st.sampled_from(["a" * 63, "a" * 64, "a" * 253, "a" * 254]))
REQUIREMENT = st.fixed_dictionaries(
    {}, optional={"key": NAME, "operator": st.one_of(ODD, st.sampled_from(selector.OPERATORS)), "values": st.lists(NAME, max_size=3)}
)
SELECTOR = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {},
        optional={
            "matchLabels": st.one_of(ODD, st.dictionaries(st.sampled_from(["a", "b/c"]), NAME)),
            "matchExpressions": st.one_of(ODD, st.lists(st.one_of(ODD, REQUIREMENT), max_size=3)),
        },
    ),
)
SPECS = st.fixed_dictionaries(
    {},
    optional={name: ODD for name in SPEC["properties"] if name != "injectionSelector"}
    | {"region": NAME, "virtualNodeLabel": NAME, "overrides": st.one_of(ODD, st.lists(NAME, max_size=3))}
    | {"sidecarPatchConfigMap": st.one_of(ODD, st.fixed_dictionaries({"name": NAME}, optional={"namespace": NAME, "key": NAME}))},
)


@given(SPECS)
def test_whatever_a_mesh_says_the_cluster_and_we_agree(spec):
    assert we_accept(spec) == cluster_accepts(spec)


@given(SELECTOR, SELECTOR)
def test_a_selector_that_the_cluster_refuses_is_wrong_for_us_too(pods, namespaces):
    spec = {"injectionSelector": {"podSelector": pods, "namespaceSelector": namespaces}}
    assert cluster_accepts(spec) or not we_accept(spec)


KEYS = st.from_regex(mesh_spec.LABEL_KEY, fullmatch=True).filter(lambda key: len(key.rpartition("/")[0]) <= 253)
VALUES = st.lists(st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", fullmatch=True), min_size=1, max_size=3)


@given(KEYS, VALUES, st.sampled_from(["In", "NotIn"]))
def test_a_selector_that_kubernetes_documents_is_right_for_both(key, values, operator):
    expressions = [{"key": key, "operator": operator, "values": values}, {"key": key, "operator": "Exists"}]
    spec = select(matchLabels={key: values[0]}, matchExpressions=expressions)
    assert cluster_accepts(spec)
    assert we_accept(spec)


REGION, OVERRIDES, ENTRIES = "e" * 64, [f"a{number}" for number in range(65)], dict.fromkeys(map(str, range(257)), 1)
EXPRESSIONS = [{"key": "app", "operator": "Exists"}] * 65


@pytest.mark.parametrize(
    ("spec", "column", "what", "fix"),
    [
        (f"region: {REGION}", 11, "region`: must have at most 63 characters, found 'eee", "shorten it"),
        ("overrides: [a, b, a]", 21, "overrides.2`: is in the list twice, found 'a'", "remove one of them"),
        (f"overrides: {OVERRIDES}", 14, "overrides`: must have at most 64 entries, found 65", "leave some out"),
        (f"values: {ENTRIES}", 11, "values`: must have at most 256 entries, found 257", "leave some out"),
        (
            f"injectionSelector: {{podSelector: {{matchExpressions: {EXPRESSIONS}}}}}",
            55,
            "injectionSelector.podSelector.matchExpressions`: must have at most 64 entries, found 65",
            "leave some out",
        ),
        ("priority: 2147483648", 13, "priority`: must be at most 2147483647, found 2147483648", "see the reference"),
    ],
)
def test_a_bound_is_told_with_its_place_and_its_fix(spec, column, what, fix):
    text = f"apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nspec:\n  {spec}\n"
    parsed, problems = mesh_spec.parse(documents.parse(text, "mesh.yaml").documents[0])
    assert parsed is None
    (problem,) = problems
    assert problem.where == f"mesh.yaml:4:{column}"
    assert problem.what.startswith(f"`spec.{what}")
    assert problem.fix.startswith(fix)
