"""What meshes want to be asked about."""

from typing import Any

import pytest

from mesh_injector.engine.rules import Registration
from mesh_injector.engine.selector import Selector
from mesh_injector.formats.mesh import registering
from tests.formats.mesh.test_load import CONFIG_MAP, a_mesh, load

EVERYTHING = "injectionSelector: {podSelector: {}}"


def wanted(*fields: str, namespace: str = "mesh-system") -> tuple[Registration, ...]:
    return registering.registrations(load(a_mesh("shop", namespace, *fields), CONFIG_MAP).meshes)


def selected(by: Selector | None, **labels: str) -> bool:
    assert by is not None
    return by.mismatch(labels) is None


@pytest.mark.parametrize("field", ["enableAutoInject: false", "injectionSelector: {}"])
def test_a_mesh_that_is_off_or_has_no_selector_wants_nothing(field: str) -> None:
    assert wanted(field) == ()


def test_a_mesh_wants_the_pods_that_both_selectors_select() -> None:
    (one,) = wanted("injectionSelector: {podSelector: {matchLabels: {app: a}}, namespaceSelector: {matchLabels: {team: b}}}")
    assert (one.mesh, selected(one.pods, app="a"), selected(one.pods), selected(one.namespaces, team="b")) == (
        "mesh-system/shop",
        True,
        False,
        True,
    )


@pytest.mark.parametrize(("namespace", "only_in"), [("mesh-system", ""), ("shop", "shop")])
def test_a_tenant_wants_the_pods_of_its_own_namespace_only(namespace: str, only_in: str) -> None:
    (one,) = wanted(EVERYTHING, namespace=namespace)
    assert one.only_in == only_in


@pytest.mark.parametrize(
    ("fields", "required"), [((), True), (("onError: Ignore",), False), (("mode: Audit",), False), (("onError: Fail",), True)]
)
def test_pods_that_nobody_can_be_asked_about_are_held_up_where_errors_refuse(fields: tuple[str, ...], required: Any) -> None:
    (one,) = wanted(*fields)
    assert one.is_required is required
