"""From documents to meshes: what is wrong with them, where, and what stays in force meanwhile."""

from typing import Any

import pytest

from mesh_injector import documents, reasons, store
from mesh_injector.errors import InjectionError, Problem
from mesh_injector.formats import mesh
from mesh_injector.formats.mesh import config_maps
from mesh_injector.formats.mesh.load import Loaded
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.reasons import CODES, Reason

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: sidecar, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data:
  patch: |
    spec:
      containers: [{name: envoy, image: "{{ values.image|d(1) }}"}]
"""


def a_mesh(name: str = "shop", namespace: str = "mesh-system", *fields: str) -> str:
    head = f"apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
    lines = ["enableAutoInject: true", "injectionSelector: {podSelector: {}}", "sidecarPatchConfigMap: {name: sidecar}", *fields]
    given = {line.partition(":")[0]: line for line in lines}
    return head + "".join(f"  {line}\n" for line in given.values() if not line.endswith("ABSENT"))


def load(*texts: str, last: Loaded | None = None, home: str = mesh.DEFAULT_HOME) -> Loaded:
    return mesh.load(documents.parse("---\n".join(texts), "all.yaml").documents, home, last)


def only(loaded: Loaded) -> Mesh:
    (found,) = loaded.meshes
    return found


def problem(loaded: Loaded) -> Problem:
    (found,) = loaded.problems
    return found


# --- what loads ---------------------------------------------------------------------------------------------------------------------


def test_a_mesh_and_its_template_are_compiled() -> None:
    loaded = load(a_mesh(), CONFIG_MAP)
    one = only(loaded)
    assert (loaded.problems, str(one), one.home, one.privileged, one.fault, one.selector_fault) == (
        (),
        "mesh-system/shop",
        True,
        True,
        None,
        "",
    )
    assert one.template is not None
    assert (one.template.named, one.digest) == (frozenset({"values"}), one.template.digest)
    assert set(loaded.templates) == {("mesh-system", "sidecar", "patch")}


def test_meshes_come_in_the_order_of_their_names_and_others_are_passed_over() -> None:
    foreign = "apiVersion: appmesh.k8s.aws/v1beta2\nkind: Mesh\nmetadata: {name: foreign}\n"
    loaded = load(a_mesh("b"), foreign, a_mesh("a"), "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", CONFIG_MAP)
    assert [str(one) for one in loaded.meshes] == ["mesh-system/a", "mesh-system/b"]


def test_two_meshes_share_a_compiled_template() -> None:
    one, other = load(a_mesh("a"), a_mesh("b"), CONFIG_MAP).meshes
    assert one.template is other.template


def test_a_mesh_shows_its_labels_and_annotations_to_the_template() -> None:
    text = a_mesh().replace("namespace: mesh-system}", "namespace: mesh-system, labels: {a: b}, annotations: {c: d}}")
    assert only(load(text, CONFIG_MAP)).for_template() == {
        "name": "shop",
        "namespace": "mesh-system",
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
    }


@pytest.mark.parametrize("labels", ["[a]", "null", "text"])
def test_labels_that_are_no_mapping_count_as_none(labels: str) -> None:
    text = a_mesh().replace("namespace: mesh-system}", f"namespace: mesh-system, labels: {labels}}}")
    assert only(load(text, CONFIG_MAP)).labels == {}


def test_documents_without_a_namespace_are_in_default() -> None:
    text = a_mesh().replace(", namespace: mesh-system", "")
    config_map = CONFIG_MAP.replace(", namespace: mesh-system", "")
    one = only(load(text, config_map))
    assert (str(one), one.home, one.fault) == ("default/shop", False, None)


def test_the_home_namespace_may_be_another() -> None:
    text, config_map = a_mesh(namespace="infra"), CONFIG_MAP.replace("mesh-system", "infra")
    assert only(load(text, config_map, home="infra")).home
    assert not only(load(text, config_map)).home


def test_the_same_mesh_twice_is_told_and_the_later_one_counts() -> None:
    loaded = load(a_mesh("shop", "mesh-system", "priority: 1"), a_mesh("shop", "mesh-system", "priority: 2"), CONFIG_MAP)
    assert only(loaded).spec.priority == 2
    found = problem(loaded)
    assert (found.code, found.where, found.fix) == (reasons.DUPLICATE, "all.yaml:10:1", "remove one of them")
    assert found.what == "the Mesh mesh-system/shop is described twice; this one counts, not all.yaml:1:1"


# --- a Mesh that is wrong -----------------------------------------------------------------------------------------------------------


def test_a_mesh_with_a_wrong_field_is_told_with_line_and_column_and_is_not_there() -> None:
    loaded = load(a_mesh("shop", "mesh-system", "mode: audit"), CONFIG_MAP)
    assert loaded.meshes == ()
    assert (problem(loaded).code, problem(loaded).where) == (reasons.FIELD_WRONG, "all.yaml:8:9")


def test_a_mesh_that_becomes_wrong_leaves_the_last_good_one_in_force_with_the_newest_template() -> None:
    good = load(a_mesh("shop", "mesh-system", "priority: 7"), CONFIG_MAP)
    loaded = load(a_mesh("shop", "mesh-system", "priority: high"), CONFIG_MAP.replace("envoy,", "proxy,"), last=good)
    assert only(loaded).spec.priority == 7
    assert only(loaded).digest != only(good).digest
    assert problem(loaded).code == reasons.FIELD_WRONG


def test_a_mesh_that_is_gone_is_gone() -> None:
    assert load(CONFIG_MAP, last=load(a_mesh(), CONFIG_MAP)).meshes == ()


@pytest.mark.parametrize("name", ["my.mesh", "my_mesh", "My", "a/b", "-a", "a" * 64, '""', "5", "null"])
def test_a_name_that_is_no_dns_label_is_told(name: str) -> None:
    loaded = load(a_mesh(name), CONFIG_MAP)
    assert loaded.meshes == ()
    assert "is no DNS label" in problem(loaded).what
    assert problem(loaded).where.startswith("all.yaml:3:")


# --- selectors ----------------------------------------------------------------------------------------------------------------------

MISSING = "`injectionSelector` needs a `podSelector` or a `namespaceSelector`; `{}` as one of them selects all"


@pytest.mark.parametrize("text", ["ABSENT", "null", "{}", "{podSelector: null}", "{podSelector: null, namespaceSelector: null}"])
def test_a_missing_selector_selects_nothing_and_is_told(text: str) -> None:
    loaded = load(a_mesh("shop", "mesh-system", f"injectionSelector: {text}"), CONFIG_MAP)
    assert only(loaded).selector_fault == f"SelectorInvalid: {MISSING}"
    assert (problem(loaded).code, problem(loaded).what) == (CODES[Reason.SELECTOR_INVALID], f"mesh mesh-system/shop: {MISSING}")


@pytest.mark.parametrize("text", ["{podSelector: {}}", "{namespaceSelector: {}}", "{podSelector: {}, namespaceSelector: null}"])
def test_one_selector_is_enough_and_an_empty_one_selects_all(text: str) -> None:
    loaded = load(a_mesh("shop", "mesh-system", f"injectionSelector: {text}"), CONFIG_MAP)
    one = only(loaded)
    assert (loaded.problems, one.selector_fault) == ((), "")
    assert (one.pod_selector is None, one.namespace_selector is None) == ("podSelector" not in text, "namespaceSelector: {}" not in text)


WRONG_SELECTOR = "injectionSelector: {podSelector: {matchExpressions: [{key: app, operator: Gt}]}}"


def test_a_wrong_selector_selects_nothing_and_is_told_with_its_place() -> None:
    loaded = load(a_mesh("shop", "mesh-system", WRONG_SELECTOR), CONFIG_MAP)
    assert only(loaded).selector_fault.startswith("SelectorInvalid: `injectionSelector.podSelector`: operator 'Gt'")
    assert (problem(loaded).code, problem(loaded).where) == (CODES[Reason.SELECTOR_INVALID], "all.yaml:6:77")


def test_a_selector_that_becomes_wrong_leaves_the_last_good_mesh_in_force() -> None:
    good = load(a_mesh("shop", "mesh-system", "priority: 7"), CONFIG_MAP)
    bad = load(a_mesh("shop", "mesh-system", WRONG_SELECTOR, "priority: 8"), CONFIG_MAP, last=good)
    still = load(a_mesh("shop", "mesh-system", WRONG_SELECTOR, "priority: 8"), CONFIG_MAP, last=bad)
    for loaded in (bad, still):
        assert (only(loaded).selector_fault, only(loaded).spec.priority) == ("", 7)
        assert problem(loaded).code == CODES[Reason.SELECTOR_INVALID]


def test_a_selector_that_was_never_good_is_not_kept() -> None:
    bad = load(a_mesh("shop", "mesh-system", WRONG_SELECTOR), CONFIG_MAP)
    assert only(load(a_mesh("shop", "mesh-system", WRONG_SELECTOR), CONFIG_MAP, last=bad)).selector_fault


def test_a_mesh_that_is_off_may_be_incomplete_and_can_always_be_switched_off() -> None:
    off = ("enableAutoInject: false", "injectionSelector: ABSENT", "sidecarPatchConfigMap: ABSENT")
    loaded = load(a_mesh("shop", "mesh-system", *off), last=load(a_mesh(), CONFIG_MAP))
    assert loaded.problems == ()
    assert not only(loaded).spec.enable_auto_inject


def test_a_mesh_that_is_off_is_told_of_a_wrong_selector() -> None:
    loaded = load(a_mesh("shop", "mesh-system", "enableAutoInject: false", WRONG_SELECTOR), CONFIG_MAP)
    assert problem(loaded).code == CODES[Reason.SELECTOR_INVALID]


# --- the ConfigMap ------------------------------------------------------------------------------------------------------------------


def faulty(*texts: str) -> tuple[Mesh, Problem]:
    loaded = load(*texts)
    return only(loaded), problem(loaded)


LABELLED = '{name: sidecar, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}'
REF = "sidecarPatchConfigMap"
WITHOUT_DATA = CONFIG_MAP.partition("data:\n  ")[0]
CONFIG_MAPS: list[tuple[str, str, Reason, str, str]] = [
    (f"{REF}: ABSENT", CONFIG_MAP, Reason.CONFIG_MAP_MISSING, "the mesh names no ConfigMap", "all.yaml:4:1"),
    (f"{REF}: {{name: other}}", CONFIG_MAP, Reason.CONFIG_MAP_MISSING, "there is no ConfigMap mesh-system/other", "all.yaml:7:26"),
    (
        f"{REF}: {{name: sidecar}}",
        CONFIG_MAP.replace(LABELLED, "{name: sidecar, namespace: mesh-system}"),
        Reason.CONFIG_MAP_MISSING,
        "the ConfigMap mesh-system/sidecar does not carry our label",
        "all.yaml:12:1",
    ),
    (
        f"{REF}: {{name: sidecar}}",
        CONFIG_MAP.replace('template: "true"', "template: true"),
        Reason.CONFIG_MAP_MISSING,
        "the ConfigMap mesh-system/sidecar does not carry our label, but `mesh-injector.io/template: true`, a boolean without quotes",
        "all.yaml:12:59",
    ),
    (
        f"{REF}: {{name: sidecar}}",
        CONFIG_MAP.replace('{mesh-injector.io/template: "true"}', "[odd]"),
        Reason.CONFIG_MAP_MISSING,
        "the ConfigMap mesh-system/sidecar does not carry our label",
        "all.yaml:12:59",
    ),
    (
        f"{REF}: {{name: sidecar, key: other}}",
        CONFIG_MAP,
        Reason.CONFIG_MAP_KEY_MISSING,
        "ConfigMap mesh-system/sidecar has no text entry `other`",
        "all.yaml:7:47",
    ),
    (
        f"{REF}: {{name: sidecar}}",
        f"{CONFIG_MAP}  more: x\n",
        Reason.CONFIG_MAP_KEY_MISSING,
        "ConfigMap mesh-system/sidecar has 2 entries and the mesh names none of them",
        "all.yaml:7:3",
    ),
    (
        f"{REF}: {{name: sidecar}}",
        WITHOUT_DATA,
        Reason.CONFIG_MAP_KEY_MISSING,
        "ConfigMap mesh-system/sidecar has 0 entries and the mesh names none of them",
        "all.yaml:7:3",
    ),
    (
        f"{REF}: {{name: sidecar, key: patch}}",
        WITHOUT_DATA + "data: text\n",
        Reason.CONFIG_MAP_KEY_MISSING,
        "ConfigMap mesh-system/sidecar has no text entry `patch`",
        "all.yaml:7:47",
    ),
    (
        f"{REF}: {{name: sidecar}}",
        WITHOUT_DATA + "data: {patch: 5}\n",
        Reason.CONFIG_MAP_KEY_MISSING,
        "ConfigMap mesh-system/sidecar has no text entry `patch`",
        "all.yaml:7:3",
    ),
]


@pytest.mark.parametrize(("ref", "config_map", "reason", "what", "where"), CONFIG_MAPS)
def test_a_template_that_cannot_be_found_is_a_fault_of_the_mesh_and_told_where_its_cause_is(
    ref: str, config_map: str, reason: Reason, what: str, where: str
) -> None:
    one, told = faulty(a_mesh("shop", "mesh-system", ref), config_map)
    assert one.fault is not None
    assert (one.fault.reason, one.template, one.digest) == (reason, None, "")
    assert (told.code, told.what) == (CODES[reason], f"mesh mesh-system/shop: {what}")
    assert told.where.startswith(f"{where}, {'metadata.labels' if 'our label' in what else 'spec.sidecarPatchConfigMap'}")
    assert told.fix
    assert told.excerpt


def test_a_config_map_without_our_label_is_told_where_the_label_goes() -> None:
    unlabelled = CONFIG_MAP.replace(LABELLED, "{name: sidecar, namespace: mesh-system}")
    parsed = [one for number, text in enumerate((a_mesh(), unlabelled)) for one in documents.parse(text, f"{number}.yaml").documents]
    (told,) = mesh.load(parsed).problems
    place = parsed[1].locate(("metadata",), key=True)
    assert told.fix == 'add `mesh-injector.io/template: "true"` to its `metadata.labels`'
    assert told.where == f"{place}, metadata.labels"
    assert told.where.startswith("1.yaml:")


@pytest.mark.parametrize(("name", "namespace", "meant"), [("sidecra", "", True), ("other", "", False), ("sidecra", "shop", False)])
def test_a_wrong_name_of_a_config_map_gets_the_one_that_was_meant_in_that_namespace(name: str, namespace: str, meant: bool) -> None:
    ref = f"{REF}: {{name: {name}, namespace: {namespace or 'mesh-system'}}}"
    _, told = faulty(a_mesh("shop", "mesh-system", ref), CONFIG_MAP)
    assert told.fix.startswith("did you mean `sidecar`? Else create it") is meant


def test_a_config_map_without_our_label_is_not_suggested() -> None:
    _, told = faulty(a_mesh("shop", "mesh-system", f"{REF}: {{name: sidecra}}"), CONFIG_MAP.replace('"true"', '"false"'))
    assert "did you mean" not in told.fix


def test_very_many_wrong_names_are_likened_within_the_bounds() -> None:
    """Each likening takes milliseconds, and a load waits for all of them."""
    meshes = [a_mesh(f"m-{number}", "mesh-system", f"{REF}: {{name: sidecra}}") for number in range(config_maps.SUGGESTIONS + 5)]
    told = load(*meshes, CONFIG_MAP).problems
    assert sum("did you mean" in one.fix for one in told) == config_maps.SUGGESTIONS


def test_the_entries_are_named_where_one_must_be_chosen() -> None:
    _, told = faulty(a_mesh(), f"{CONFIG_MAP}  more: x\n")
    assert told.fix == "name one as `key`: more, patch"
    assert only(load(a_mesh("shop", "mesh-system", f"{REF}: {{name: sidecar, key: patch}}"), f"{CONFIG_MAP}  more: x\n")).fault is None


def test_a_mesh_that_is_off_is_not_told_of_its_template() -> None:
    loaded = load(a_mesh("shop", "mesh-system", "enableAutoInject: false"))
    assert loaded.problems == ()
    assert only(loaded).fault is not None


def test_a_config_map_that_is_gone_takes_its_template_away() -> None:
    assert only(load(a_mesh(), last=load(a_mesh(), CONFIG_MAP))).template is None


# --- home and tenants ---------------------------------------------------------------------------------------------------------------


def test_a_mesh_at_home_may_name_any_config_map_but_only_one_at_home_may_give_rights() -> None:
    one = only(
        load(a_mesh("shop", "mesh-system", f"{REF}: {{name: sidecar, namespace: other}}"), CONFIG_MAP.replace("mesh-system", "other"))
    )
    assert (one.fault, one.home, one.privileged) == (None, True, False)


def test_a_tenant_may_name_only_a_config_map_of_its_own_namespace() -> None:
    one, told = faulty(a_mesh("shop", "team", f"{REF}: {{name: sidecar, namespace: mesh-system}}"), CONFIG_MAP)
    assert one.fault is not None
    assert one.fault.reason is Reason.CONFIG_MAP_FORBIDDEN
    assert told.what.endswith("a mesh outside mesh-system may only name a ConfigMap of its own namespace, not mesh-system/sidecar")
    assert told.fix == "copy the ConfigMap to team, or move the Mesh to mesh-system"


@pytest.mark.parametrize("there", [CONFIG_MAP, CONFIG_MAP.replace("sidecar", "another")])
def test_a_tenant_is_told_where_its_config_map_is_looked_for_and_nothing_of_what_other_namespaces_hold(there: str) -> None:
    _, told = faulty(a_mesh("shop", "team", f"{REF}: {{name: sidecar}}"), there)
    assert told.what.endswith("there is no ConfigMap team/sidecar")
    assert told.fix.endswith("or correct the name (a Mesh outside mesh-system takes its template from its own namespace)")


@pytest.mark.parametrize("namespace", ["mesh-system", "other"])
def test_a_mesh_at_home_is_not_told_the_rule_for_tenants(namespace: str) -> None:
    _, told = faulty(a_mesh("shop", "mesh-system", f"{REF}: {{name: none, namespace: {namespace}}}"), CONFIG_MAP)
    assert told.fix.endswith(", or correct the name")


@pytest.mark.parametrize("ref", ["{name: sidecar}", "{name: sidecar, namespace: team}"])
def test_a_tenant_uses_its_own_config_map_without_rights(ref: str) -> None:
    one = only(load(a_mesh("shop", "team", f"{REF}: {ref}"), CONFIG_MAP.replace("mesh-system", "team")))
    assert (one.fault, one.home, one.privileged) == (None, False, False)


@pytest.mark.parametrize(
    ("namespace", "written", "counts"), [("mesh-system", 7, 7), ("mesh-system", -7, -7), ("team", 7, 0), ("team", -7, -7)]
)
def test_the_priority_of_a_tenant_counts_as_at_most_0(namespace: str, written: int, counts: int) -> None:
    assert only(load(a_mesh("shop", namespace, f"priority: {written}"))).priority == counts


# --- templates ----------------------------------------------------------------------------------------------------------------------

BROKEN = CONFIG_MAP.replace("{{ values.image|d(1) }}", "{% macro x() %}")


def test_a_template_that_is_not_in_the_language_is_told_with_its_line_in_the_file() -> None:
    one, told = faulty(a_mesh(), BROKEN)
    assert one.fault is not None
    assert one.fault.reason is Reason.TEMPLATE_INVALID
    assert told.what.startswith("mesh mesh-system/shop: ")
    assert "ConfigMap mesh-system/sidecar, key patch, line 2" in told.where
    assert "(all.yaml:16:" in told.where
    assert "16 |   containers:" in told.excerpt


def test_a_template_that_becomes_invalid_leaves_the_last_good_one_serving() -> None:
    good = load(a_mesh(), CONFIG_MAP)
    bad = load(a_mesh(), BROKEN, last=good)
    still = load(a_mesh(), BROKEN, last=bad)
    for loaded in (bad, still):
        assert (only(loaded).digest, only(loaded).fault) == (only(good).digest, None)
        assert problem(loaded).what.endswith("(the last good template serves on)")
        assert problem(loaded).code == CODES[Reason.TEMPLATE_INVALID]


def test_two_meshes_of_a_template_that_becomes_invalid_tell_it_once() -> None:
    good = load(a_mesh("a"), a_mesh("b"), CONFIG_MAP)
    assert len(load(a_mesh("a"), a_mesh("b"), BROKEN, last=good).problems) == 1


def test_an_unchanged_template_is_not_compiled_again() -> None:
    good = load(a_mesh(), CONFIG_MAP)
    assert only(load(a_mesh(), CONFIG_MAP, last=good)).template is only(good).template
    assert only(load(a_mesh(), CONFIG_MAP)).template is not only(good).template


def test_a_changed_template_is_compiled() -> None:
    good = load(a_mesh(), CONFIG_MAP)
    assert only(load(a_mesh(), CONFIG_MAP.replace("envoy,", "proxy,"), last=good)).digest != only(good).digest


REGION = CONFIG_MAP.replace("values.image|d(1)", "region")


def test_a_region_that_the_template_names_and_the_mesh_lacks_is_told_before_any_pod_comes() -> None:
    one, told = faulty(a_mesh(), REGION)
    assert one.fault is not None
    assert one.fault.reason is Reason.REGION_MISSING
    assert told.where == "all.yaml:4:1, spec.region"
    assert only(load(a_mesh("shop", "mesh-system", "region: eu"), REGION)).fault is None
    assert load(a_mesh("shop", "mesh-system", "enableAutoInject: false"), REGION).problems == ()


@pytest.mark.parametrize("version", ["v1", "apps/v1", "mesh-injector.io/v1"])
def test_a_mesh_of_another_version_is_told_by_its_fields(version: str) -> None:
    text = a_mesh().replace("mesh-injector.io/v1alpha1", version)
    assert problem(load(text)).what == f"`{version}` `Mesh` is not a Mesh, and counts for nothing"
    assert load("apiVersion: appmesh.k8s.aws/v1beta2\nkind: Mesh\nmetadata: {name: a}\nspec: {namespaceSelector: {}}\n").problems == ()


def test_a_label_that_is_nearly_ours_is_shown() -> None:
    _, told = faulty(a_mesh(), CONFIG_MAP.replace("injector.io/template:", "injector.io/templates:"))
    assert told.what.endswith("does not carry our label, but `mesh-injector.io/templates: 'true'`")


def test_only_our_meshes_are_meshes() -> None:
    def kind(**body: Any) -> bool:
        return mesh.is_mesh(documents.Document(body, documents.Origin("x", 1, 1)))

    assert kind(kind="Mesh", apiVersion="mesh-injector.io/v1alpha1")
    assert not kind(kind="Mesh", apiVersion="appmesh.k8s.aws/v1beta2")
    assert not kind(kind="Mesh", apiVersion="mesh-injector.io.evil/v1")
    assert not kind(kind="MeshList", apiVersion="mesh-injector.io/v1alpha1")


# --- keys that every rendering reads ------------------------------------------------------------------------------------------------

READS = {
    "a: {{ values.imgae }}": ("`values.imgae` is not defined", "did you mean `image`?"),
    "a: '{{ values[\"imgae\"]|lower }}'": ("`values.imgae` is not defined", "did you mean `image`?"),
    "{% if values.debug %}a: 1{% endif %}": ("`values.debug` is not defined", "there are `image`, `level`"),
    "a: {{ mesh.region }}": ("`mesh.region` is not defined", "there are"),
    "a: {{ mesh.nmae }}": ("`mesh.nmae` is not defined", "did you mean `name`?"),
    "{% if 1 == 2 %}a: {{ namespace.label }}{% endif %}": ("`namespace.label` is not defined", "did you mean `labels`?"),
}


@pytest.mark.parametrize(("text", "what", "fix"), [(text, *told) for text, told in READS.items()])
def test_a_key_that_every_rendering_reads_and_the_mesh_lacks_is_told_before_any_pod_comes(text: str, what: str, fix: str) -> None:
    values, overrides = "values: {image: a}", "overrides: [level]"
    loaded = load(a_mesh("shop", "mesh-system", values, overrides), CONFIG_MAP.partition("    spec:")[0] + f"    {text}\n")
    found = problem(loaded)
    assert (found.code, what in found.what, fix in found.fix) == (CODES[Reason.UNDEFINED_VARIABLE], True, True)
    assert "line 1" in found.where
    fault = only(loaded).fault
    assert fault is not None
    assert fault.reason is Reason.UNDEFINED_VARIABLE


OPTIONAL_READS = [
    "restartPolicy: {{ values.x|default('Always') }}",
    "hostname: {{ values.x.y|default('a') }}",
    "hostname: {{ values.x|get('y', 'a') }}",
    "{% if values.x is defined %}a: {{ values.x }}{% endif %}",
    "{% if values.x is defined and values.x.y %}a: {{ values.x.y }}{% endif %}",
    "hostname: {{ values.x if values.x is defined else 'a' }}",
    "{% for key, value in values.x|items %}{{ key }}: {{ value }}{% endfor %}",
    "{% for name in [] %}a: {{ values.x }}{% endfor %}",
    "{% for name in ['a'] if values.x is defined %}{{ name }}: {{ values.x }}{% endfor %}",
    "hostname: {{ values.level }}",
    "{% set key = 'x' %}hostname: {{ values[key]|d('a') }}",
    "{% if mesh_name == 'other' %}a: {{ values.x }}{% endif %}",
]


@pytest.mark.parametrize("text", OPTIONAL_READS)
def test_a_key_that_may_be_absent_is_no_problem_before_a_pod_comes(text: str) -> None:
    values, overrides = "values: {image: a}", "overrides: [level]"
    loaded = load(a_mesh("shop", "mesh-system", values, overrides), CONFIG_MAP.partition("    spec:")[0] + f"    {text}\n")
    assert (loaded.problems, only(loaded).fault) == ((), None)


# --- what is wrong for every pod ----------------------------------------------------------------------------------------------------


def with_template(text: str, namespace: str = "mesh-system") -> str:
    head = CONFIG_MAP.partition("    spec:")[0].replace("namespace: mesh-system", f"namespace: {namespace}")
    return head + "".join(f"    {line}\n" for line in text.splitlines())


def proxy(*lines: str) -> str:
    return "\n".join(["containers:", "  - name: envoy", "    image: envoy:1", *lines])


PER_POD = "    args: [{{ app_ports }}]"
CERTAIN: dict[str, tuple[str, str]] = {
    "wrong indentation": (proxy("   args: [a]"), "MI304"),
    "a misspelt field": (proxy("    imagee: a"), "MI401"),
    "a misspelt field beside what differs from pod to pod": (proxy(PER_POD, "    imagee: a"), "MI401"),
    "broken YAML beside what differs from pod to pod": (proxy("    command: [{{ app_ports }}"), "MI304"),
    "a value of the wrong type": (proxy("    tty: {{ values.image }}"), "MI401"),
    "a value of the wrong type beside what differs from pod to pod": (proxy(PER_POD, "    tty: {{ values.image }}"), "MI401"),
    "a value inside of text": (proxy(PER_POD, "    resources: {requests: {cpu: '{{ values.image }}-{{ mesh_name }}'}}"), "MI401"),
    "a key that is a value": (proxy(PER_POD, "    {{ values.image }}x: 1"), "MI401"),
    "a value through a filter": (proxy(PER_POD, "    tty: {{ values.image|upper }}"), "MI401"),
    "a value that is not there": (proxy("    args: [{{ values.imgae }}]"), "MI302"),
    "a region that is not there": (proxy("    args: [{{ region }}]"), "MI202"),
}
VALUES = "values: {image: a}"


@pytest.mark.parametrize(("text", "code"), CERTAIN.values(), ids=CERTAIN.keys())
def test_a_template_that_is_wrong_for_every_pod_leaves_the_last_good_one_serving(text: str, code: str) -> None:
    good = load(a_mesh("shop", "mesh-system", VALUES), CONFIG_MAP)
    bad = load(a_mesh("shop", "mesh-system", VALUES), with_template(text), last=good)
    still = load(a_mesh("shop", "mesh-system", VALUES), with_template(text), last=bad)
    broken = load(a_mesh("shop", "mesh-system", VALUES), BROKEN, last=still)
    for loaded in (bad, still, broken):
        assert (only(loaded).template, only(loaded).fault) == (only(good).template, None)
        assert problem(loaded).what.endswith("(the last good template serves on)")
    assert (problem(bad).code, problem(still).code, problem(broken).code) == (code, code, CODES[Reason.TEMPLATE_INVALID])
    mended = load(a_mesh("shop", "mesh-system", VALUES), with_template(proxy()), last=broken)
    assert (mended.problems, only(mended).digest != only(good).digest) == ((), True)


@pytest.mark.parametrize(("text", "code"), CERTAIN.values(), ids=CERTAIN.keys())
def test_without_a_last_good_one_it_is_the_fault_of_the_mesh(text: str, code: str) -> None:
    one, told = faulty(a_mesh("shop", "mesh-system", VALUES), with_template(text))
    assert one.fault is not None
    assert (CODES[one.fault.reason], told.code) == (code, code)
    assert not told.what.endswith("serves on)")


UNCERTAIN = {
    "in a branch": proxy(PER_POD, "    {% if app_ports == '1' %}", "    imagee: a", "    {% endif %}"),
    "in a loop that may not run": proxy("    {% for port in container_ports %}", "    imagee: a", "    {% endfor %}"),
    "outside of a loop that runs": proxy("    {% for port in container_ports %}", "    {% else %}", "    imagee: a", "    {% endfor %}"),
    "an override": proxy("    tty: {{ values.level }}"),
    "an override beside what differs from pod to pod": proxy(PER_POD, "    tty: {{ values.level }}"),
    "an override by a computed key": proxy(PER_POD, "    tty: {{ values['lev' ~ 'el'] }}"),
    "all values, of which one is an override": proxy(PER_POD, "    tty: {{ values }}"),
    "text of which a part is the pod's": proxy("    resources: {requests: {cpu: '{{ values.other }}{{ app_ports }}'}}"),
    "a value in a loop that may not run": proxy("    {% for port in container_ports %}", "    tty: {{ values.other }}", "    {% endfor %}"),
    "a value that a pod's port chooses": proxy("    tty: {{ values.other if app_ports != '1' else true }}"),
    "a value under a name of its own": proxy(PER_POD, "    {% set own = app_ports %}", "    tty: {{ own }}"),
    "a label of the pod": proxy("    args: [{{ pod.metadata.labels.tier }}]"),
    "conditions that go together": "containers:\n{% if mesh_name != app_ports %}\n  - name: a\n    image: b:1\n{% endif %}",
}


@pytest.mark.parametrize("text", UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_what_some_pod_may_mend_is_no_fault_of_the_template(text: str) -> None:
    loaded = load(a_mesh("shop", "mesh-system", "values: {level: a, other: b}", "overrides: [level]"), with_template(text))
    assert (loaded.problems, only(loaded).fault) == ((), None)


def test_what_a_pod_lacks_that_the_mesh_selects_is_no_fault_of_the_template() -> None:
    selector = "injectionSelector: {podSelector: {matchLabels: {mesh-injector.io/virtual-node: ''}}}"
    text = with_template(proxy("    args: [{{ virtual_node_name }}]"))
    loaded = load(a_mesh("shop", "mesh-system", selector, VALUES), text)
    assert (loaded.problems, only(loaded).fault) == ((), None)


def test_of_however_many_meshes_of_a_template_each_is_told_what_its_own_values_break() -> None:
    text = with_template(proxy(PER_POD, "    tty: {{ values.tty }}"))
    kinds = ("fast{0}", "true")
    values = [f"values: {{tty: {kinds[number % 2].format(number)}}}" for number in range(140)]
    loaded = load(*(a_mesh(f"m{number:03}", "mesh-system", one) for number, one in enumerate(values)), text)
    assert [one.fault is not None for one in loaded.meshes] == [True, False] * 70
    again = load(a_mesh("m", "mesh-system", values[0]), text, last=loaded)
    assert only(again).fault is not None


def test_a_template_may_be_wrong_for_one_of_its_meshes() -> None:
    text = with_template(proxy("    args: [{{ values.image }}]"))
    meshes = (a_mesh("a", "mesh-system", VALUES), a_mesh("b"))
    good = load(*meshes, with_template(proxy()))
    with_value, without = load(*meshes, text, last=good).meshes
    assert (with_value.template is not without.template, without.template is good.meshes[1].template) == (True, True)
    assert (with_value.fault, without.fault) == (None, None)
    rights = proxy(PER_POD, "    securityContext: {privileged: true}")
    assert only(load(a_mesh(), with_template(rights))).fault is None
    tenant = only(load(a_mesh("shop", "team"), with_template(rights, "team"))).fault
    assert tenant is not None
    assert tenant.reason is Reason.FIELD_NOT_ALLOWED


def test_a_new_mesh_gets_the_last_good_template_too() -> None:
    bad = load(a_mesh("a"), with_template(proxy("    imagee: a")), last=load(a_mesh("a"), CONFIG_MAP))
    first, second = load(a_mesh("a"), a_mesh("b"), with_template(proxy("    imagee: a")), last=bad).meshes
    assert (second.template is first.template, second.fault) == (True, None)


def test_a_mesh_that_changes_so_that_its_template_fails_is_at_fault_itself() -> None:
    text = with_template(proxy("    args: [{{ values.image }}]"))
    good = load(a_mesh("shop", "mesh-system", VALUES), text)
    assert only(load(a_mesh("shop"), text, last=good)).fault is not None


def test_the_newest_text_is_not_valid_where_the_last_good_template_serves_on() -> None:
    def snapshot(text: str, last: store.Snapshot | None = None) -> store.Snapshot:
        parsed = documents.parse("---\n".join((a_mesh(), with_template(text))), "all.yaml")
        return store.load(parsed.documents, last=last)

    good = snapshot(proxy())
    bad = snapshot(proxy("    imagee: a"), good)
    assert (store.templates_valid(good), store.templates_valid(bad)) == ({"mesh-system/shop": True}, {"mesh-system/shop": False})
    assert store.reloads(good, bad) == [("mesh-system/shop", "failure")]
    assert store.population(bad) == {("true", "false"): 1}


def test_a_first_template_that_the_values_break_is_not_valid_and_its_mesh_not_ready() -> None:
    def snapshot(*fields: str) -> store.Snapshot:
        text = with_template(proxy(PER_POD, "    tty: {{ values.tty }}"))
        return store.load(documents.parse("---\n".join((a_mesh("shop", "mesh-system", *fields), text)), "all.yaml").documents)

    for fields in (("values: {tty: fast}",), ("values: {tty: fast}", "overrides: [other]")):
        bad = snapshot(*fields)
        assert store.templates_valid(bad) == {"mesh-system/shop": False}
        assert store.population(bad) == {("true", "false"): 1}
        (((reason, found),),) = bad.loaded.wrong.values()
        assert (reason, found.code, ".tty" in found.what) == (Reason.RENDERED_INVALID_POD, "MI401", True)
    for fields in (("values: {tty: true}",), ("values: {tty: fast}", "overrides: [tty]")):
        assert store.population(snapshot(*fields)) == {("true", "true"): 1}


def test_a_region_that_is_missing_is_no_fault_of_the_template() -> None:
    text = "---\n".join((a_mesh(), with_template(proxy("    args: [{{ region }}]"))))
    found = store.load(documents.parse(text, "all.yaml").documents)
    assert (store.templates_valid(found), store.population(found)) == ({"mesh-system/shop": True}, {("true", "false"): 1})


@pytest.mark.parametrize("size", [3_000, 100_000])
def test_a_template_that_is_wrong_in_very_many_branches_is_judged_within_the_bounds(size: int) -> None:
    branches = [f"    {{% if app_ports == '{number}' %}}\n    {{% endif %}}" for number in range(size // 50)]
    load(a_mesh(), with_template(proxy("    imagee: a", *branches)))


@pytest.mark.parametrize(
    ("selector", "word", "fix"),
    [
        ("{podSelector: {matchLabel: {app: web}}}", "{app: web}", "did you mean `matchLabels`?"),
        ("{podSelector: {app: web}}", "web", "write `matchLabels: {app: …}`"),
        ("{podSelector: {matchLabels: [a]}}", "[a]", "write a mapping, `{key: value}`"),
        ("{podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}", "in, values", "did you mean `In`?"),
        ("{podSelector: {matchExpressions: [{key: a, operator: In}]}}", "{key: a, operator: In}", "write `values: [a]`"),
        ("{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}", "{key: a", "leave out `values`"),
        ("{podSelector: {matchLabels: {app: a b}}}", "a b", "correct the selector"),
        ("{namespaceSelector: {matchLabels: {-x: a}}}", "a}}}", "write `name` or `prefix/name`"),
    ],
)
def test_a_wrong_selector_is_told_at_the_very_place_with_what_to_write(selector: str, word: str, fix: str) -> None:
    head = "apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {name: a, namespace: mesh-system}\n"
    text = f"{head}spec:\n  injectionSelector: {selector}\n"
    (found,) = mesh.load(documents.parse(text, "m.yaml").documents).problems
    line = f"  injectionSelector: {selector}"
    assert (found.code, found.where, found.fix) == ("MI208", f"m.yaml:5:{line.index(word) + 1}", fix)


def test_a_misspelt_member_of_a_mesh_is_told_before_what_it_leaves_missing() -> None:
    text = "apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetdata: {name: a}\nspec: {}\n"
    loaded = mesh.load(documents.parse(text, "m.yaml").documents)
    assert (loaded.problems[0].where, loaded.problems[0].what) == ("m.yaml:3:1", "a Mesh has no field `metdata`")
    assert loaded.problems[0].fix == "did you mean `metadata`?"


# --- ConfigMaps that cannot be read -------------------------------------------------------------------------------------------------

NO_RIGHT = InjectionError(Reason.CONFIG_MAP_MISSING, "we may not read ConfigMaps here", where="namespace mesh-system", fix="grant it")


def load_unread(*texts: str) -> Loaded:
    return mesh.load(documents.parse("---\n".join(texts), "all.yaml").documents, unread={"mesh-system": NO_RIGHT})


def test_a_config_map_that_cannot_be_read_is_the_fault_of_its_mesh() -> None:
    loaded = load_unread(a_mesh())
    assert only(loaded).fault is NO_RIGHT
    assert "we may not read ConfigMaps here" in problem(loaded).what


def test_a_config_map_that_was_read_before_the_right_was_withdrawn_serves_on_and_is_told() -> None:
    loaded = load_unread(a_mesh(), CONFIG_MAP)
    assert (only(loaded).fault, loaded.stale) == (None, frozenset({"mesh-system/shop"}))
    assert "what was read before serves on" in problem(loaded).what
    assert [reason for reason, _ in loaded.wrong["mesh-system/shop"]] == [Reason.CONFIG_MAP_MISSING]


def test_of_a_mesh_that_is_off_nobody_is_told_that_its_config_map_cannot_be_read_any_more() -> None:
    loaded = load_unread(a_mesh("shop", "mesh-system", "enableAutoInject: false"), CONFIG_MAP)
    assert (loaded.problems, loaded.stale) == ((), frozenset())
