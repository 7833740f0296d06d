"""What a template gets: variables, requirements that follow from what it names, and overrides with their types."""

from typing import Any

import pytest

from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import variables
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.formats.mesh.spec import MeshSpec
from mesh_injector.reasons import Reason

SHOP = Namespace("shop", {"team": "a"}, {"note": "b"})


def mesh(**spec: Any) -> Mesh:
    parsed = MeshSpec.model_validate({"region": "eu-west-1", **spec})
    return Mesh("payments", "mesh-system", parsed, home=True, labels={"l": "1"}, annotations={"a": "2"})


def pod(*ports: Any, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Pod:
    containers = [{"name": f"c{at}", "image": "i", "ports": some} for at, some in enumerate(ports or ([{"containerPort": 80}],))]
    labels = {"mesh-injector.io/virtual-node": "cart-vn"} if labels is None else labels
    return Pod.from_document({"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": containers}})


def given(text: str, one: Mesh, to: Pod) -> dict[str, Any]:
    return variables.of(one, PatchTemplate(Source(text, "the template")), to, SHOP)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mesh_name", "payments"),
        ("MeshName", "payments"),
        ("virtual_node_name", "cart-vn"),
        ("VirtualNodeName", "cart-vn"),
        ("region", "eu-west-1"),
        ("AwsRegion", "eu-west-1"),
        ("container_ports", [80]),
        ("app_ports", "80"),
        ("AppPort", "80"),
        ("container_names", ["c0"]),
        (
            "mesh",
            {"name": "payments", "namespace": "mesh-system", "labels": {"l": "1"}, "annotations": {"a": "2"}, "region": "eu-west-1"},
        ),
        ("namespace", {"name": "shop", "labels": {"team": "a"}, "annotations": {"note": "b"}}),
        ("values", {"x": 1}),
        ("pod", pod().whole()),
    ],
)
def test_a_template_gets_exactly_what_it_names(name: str, value: Any) -> None:
    assert given(f"a: {{{{ {name} }}}}", mesh(values={"x": 1}), pod()) == {name: value}


def test_a_template_that_names_nothing_gets_nothing() -> None:
    assert given("a: b", mesh(), pod()) == {}


def test_a_mesh_without_a_region_shows_none() -> None:
    assert "region" not in given("a: {{ mesh }}", mesh(region=None), pod())["mesh"]


def test_ports_are_those_of_the_pods_own_containers_in_order_without_repeats_of_any_protocol() -> None:
    one = [{"containerPort": 9090}, {"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]
    found = given("a: [{{ container_ports }}, {{ app_ports }}]", mesh(), pod(one, [{"containerPort": 80}, {"containerPort": 9090}]))
    assert found == {"container_ports": [9090, 53, 80], "app_ports": "9090,53,80"}


def test_ports_of_init_containers_do_not_count() -> None:
    body = {"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "b", "ports": [{"containerPort": 1}]}]}}
    assert variables.container_ports(Pod.from_document(body)) == ()


@pytest.mark.parametrize("name", ["container_ports", "app_ports", "AppPort"])
@pytest.mark.parametrize("none", [None, []])
def test_a_container_without_ports_is_refused_where_the_template_names_ports(name: str, none: Any) -> None:
    with pytest.raises(InjectionError, match="the container `c1` names no port, so its traffic would bypass the proxy") as caught:
        given(f"a: {{{{ {name} }}}}", mesh(), pod([{"containerPort": 80}], none))
    assert (caught.value.reason, caught.value.problem.where) == (Reason.CONTAINER_PORT_MISSING, "spec.containers[c1].ports")


def test_a_container_without_ports_is_fine_where_the_mesh_says_so_or_nobody_asks() -> None:
    assert given("a: {{ container_ports }}", mesh(requireContainerPorts=False), pod(None)) == {"container_ports": []}
    assert given("a: {{ mesh_name }}", mesh(), pod(None)) == {"mesh_name": "payments"}


@pytest.mark.parametrize("name", ["virtual_node_name", "VirtualNodeName"])
@pytest.mark.parametrize("labels", [{}, {"mesh-injector.io/virtual-node": ""}])
def test_a_missing_or_empty_virtual_node_label_is_refused_where_the_template_names_it(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(InjectionError, match=r"the pod has no label `mesh-injector\.io/virtual-node`") as caught:
        given(f"a: {{{{ {name} }}}}", mesh(), pod(labels=labels))
    assert caught.value.reason is Reason.VIRTUAL_NODE_LABEL_MISSING
    assert given("a: {{ mesh_name }}", mesh(), pod(labels=labels))


def test_the_mesh_names_the_label_of_the_virtual_node() -> None:
    found = given("a: {{ virtual_node_name }}", mesh(virtualNodeLabel="node"), pod(labels={"node": "n"}))
    assert found == {"virtual_node_name": "n"}


@pytest.mark.parametrize("name", ["region", "AwsRegion"])
def test_a_missing_region_is_refused_where_the_template_names_it(name: str) -> None:
    with pytest.raises(InjectionError, match="the template names the region and the mesh has none") as caught:
        given(f"a: {{{{ {name} }}}}", mesh(region=None), pod())
    assert caught.value.reason is Reason.REGION_MISSING


@pytest.mark.parametrize(
    "text",
    [
        "a: {{ region|default('none') }}",
        "{% if region is defined %}a: {{ region }}{% endif %}",
        "{% if virtual_node_name is defined %}a: {{ virtual_node_name }}{% endif %}",
        "a: {{ virtual_node_name|default('x') }}",
        "{% if container_ports is defined %}a: {{ container_ports }}{% endif %}",
    ],
)
def test_a_name_that_is_guarded_is_optional(text: str) -> None:
    assert set(given(text, mesh(region=None), pod(None, labels={}))) <= {"container_ports"}


# --- overrides ----------------------------------------------------------------------------------------------------------------------


def overridden(value: Any, text: str) -> Any:
    one = mesh(values={"x": value, "y": "kept"}, overrides=["x"])
    return variables.values(one, [("x", text)])["x"]


@pytest.mark.parametrize(
    ("value", "text", "typed"),
    [
        ("info", "debug", "debug"),
        ("info", "", ""),
        ("1", "5", "5"),
        (None, "5", "5"),
        (9901, "9902", 9902),
        (9901, "-1", -1),
        (1, "9223372036854775807", 9223372036854775807),
        (1, "-9223372036854775808", -9223372036854775808),
        (0.5, "1.25", 1.25),
        (0.5, "-1e3", -1000.0),
        (False, "true", True),
        (True, "false", False),
    ],
)
def test_an_override_takes_the_type_of_the_meshs_value(value: Any, text: str, typed: Any) -> None:
    found = overridden(value, text)
    assert (found, type(found)) == (typed, type(typed))


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        (1, "1.5", "a whole number"),
        (1, "", "a whole number"),
        (1, " 1", "a whole number"),
        (1, "1\n", "a whole number"),
        (1, "١", "a whole number"),
        (1, "9" * 20, "a whole number"),
        (1, "9223372036854775808", "a whole number"),
        (1, "-9223372036854775809", "a whole number"),
        (1, "true", "a whole number"),
        (1.5, "inf", "a number"),
        (1.5, "nan", "a number"),
        (1.5, "1e999", "a number"),
        (True, "True", "true or false"),
        (True, "1", "true or false"),
        ([1], "1", "nothing: the mesh's value is a list or a mapping"),
        ({"a": 1}, "1", "nothing: the mesh's value is a list or a mapping"),
    ],
)
def test_an_override_that_does_not_fit_is_refused_with_the_expected_type(value: Any, text: str, expected: str) -> None:
    with pytest.raises(InjectionError, match=f"expected {expected}") as caught:
        overridden(value, text)
    assert caught.value.reason is Reason.OVERRIDE_INVALID
    assert caught.value.problem.where == "metadata.annotations[values.mesh-injector.io/x]"


def test_an_override_without_a_value_in_the_mesh_takes_text() -> None:
    one = mesh(overrides=["new"])
    assert variables.values(one, [("new", "5")]) == {"new": "5"}


def test_an_override_that_is_not_listed_changes_nothing_and_is_told() -> None:
    one = mesh(values={"x": 1, "y": 2}, overrides=["y"])
    annotations = {"values.mesh-injector.io/x": "5", "values.mesh-injector.io/z": "5", "values.mesh-injector.io/y": "3", "other": "1"}
    assert given("x: {{ values }}", one, pod(annotations=annotations))["values"] == {"x": 1, "y": 3}
    assert variables.unlisted(one, annotations) == [
        "mesh mesh-system/payments lists no override `x`: the annotation changes nothing",
        "mesh mesh-system/payments lists no override `z`: the annotation changes nothing",
    ]


def test_a_pod_without_the_annotation_gets_the_meshs_value() -> None:
    assert given("x: {{ values }}", mesh(values={"x": 1}, overrides=["x"]), pod())["values"] == {"x": 1}


def test_the_values_of_the_mesh_itself_are_never_changed() -> None:
    one = mesh(values={"x": 1}, overrides=["x"])
    variables.values(one, [("x", "5")])
    assert one.spec.values == {"x": 1}
