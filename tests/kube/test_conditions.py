"""The status of a Mesh: what it says in every state, when it changes, and what an event tells of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from mesh_injector import documents, reasons, store
from mesh_injector.errors import Problem
from mesh_injector.kube import conditions
from mesh_injector.kube.conditions import TYPES, Facts, Status
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot

NOW, LATER = "2026-11-21T20:00:00Z", "2026-11-21T21:00:00Z"
CRD = yaml.safe_load((Path(__file__).parents[2] / "crds" / "mesh-injector.io_meshes.yaml").read_text("utf-8"))
SCHEMA = jsonschema_rs.Draft4Validator(CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"])
TEMPLATE = "spec: {containers: [{name: envoy, image: e}]}"
ON = "enableAutoInject: true"
SELECTOR = "injectionSelector: {podSelector: {matchLabels: {app: cart}}}"
REF = "sidecarPatchConfigMap: {name: sidecar}"
GOOD = (ON, SELECTOR, REF)
GONE = Problem(reasons.NOT_REGISTERED, "there is no configuration", "", "apply it")


def mesh(*fields: str, name: str = "cart") -> str:
    head = f"apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {{name: {name}, namespace: mesh-system, generation: 3}}\nspec:\n"
    return head + "".join(f"  {field}\n" for field in fields)


def config_map(text: str = TEMPLATE, labels: str = '{mesh-injector.io/template: "true"}') -> str:
    metadata = f"{{name: sidecar, namespace: mesh-system, labels: {labels}}}"
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata:\n  patch: |\n    {text}\n"


def snapshot(*texts: str, last: Snapshot | None = None) -> Snapshot:
    return store.load(documents.parse("---\n".join(texts), "all.yaml").documents, last=last)


def facts(found: Snapshot, unregistered: Mapping[str, Problem] | None = None) -> Facts:
    ((_, known),) = conditions.facts(found, unregistered or {})
    return known


def status(known: Facts, current: Status | None = None, at: str = NOW) -> Status:
    made = conditions.status(known, 3, current or {}, at)
    assert SCHEMA.is_valid(made), list(SCHEMA.iter_errors(made))
    return made


def told(known: Facts) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status(known)["conditions"]}


def test_a_first_template_that_the_values_break_for_every_pod_is_not_valid() -> None:
    template = "spec: {containers: [{name: envoy, image: e, args: [{{ app_ports }}], tty: {{ values.tty }}}]}"
    known = facts(snapshot(mesh(*GOOD, "values: {tty: fast}"), config_map(template)))
    assert {name: one for name, one in told(known).items() if one[0] != "True"} == {
        "Ready": ("False", "RenderedInvalidPod"),
        "TemplateValid": ("False", "RenderedInvalidPod"),
    }
    assert "[MI401]" in message(known, "TemplateValid")
    assert "serves on" not in message(known, "Ready")
    mended = facts(snapshot(mesh(*GOOD, "values: {tty: true}"), config_map(template)))
    assert told(mended)["TemplateValid"] == ("True", "TemplateValid")
    assert message(mended, "TemplateValid") == "the template compiles and can work for some pod"


def message(known: Facts, name: str) -> str:
    return next(str(one["message"]) for one in status(known)["conditions"] if one["type"] == name)


def good(**others: tuple[str, str]) -> dict[str, tuple[str, str]]:
    return {name: others.get(name, ("True", name)) for name in TYPES}


FALSE = {reason: ("False", reason.value) for reason in Reason}
UNKNOWN = {reason: ("Unknown", reason.value) for reason in Reason}
NO_MAP = Reason.CONFIG_MAP_MISSING
OFF, WRONG = Reason.AUTO_INJECT_OFF, Reason.SELECTOR_INVALID
STATES: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]] = {
    "good": ((mesh(*GOOD), config_map()), good()),
    "off": ((mesh(SELECTOR, REF), config_map()), good(Ready=FALSE[OFF], Registered=FALSE[OFF])),
    "no ConfigMap": ((mesh(*GOOD),), good(Ready=FALSE[NO_MAP], ConfigMapFound=FALSE[NO_MAP], TemplateValid=UNKNOWN[NO_MAP])),
    "no label": (
        (mesh(*GOOD), config_map(labels="{}")),
        good(Ready=FALSE[NO_MAP], ConfigMapFound=FALSE[NO_MAP], TemplateValid=UNKNOWN[NO_MAP]),
    ),
    "template wrong": (
        (mesh(*GOOD), config_map("spec: {{ x.y() }}")),
        good(Ready=FALSE[Reason.TEMPLATE_INVALID], TemplateValid=FALSE[Reason.TEMPLATE_INVALID]),
    ),
    "region missing": ((mesh(*GOOD), config_map("metadata: {labels: {r: '{{ region }}'}}")), good(Ready=FALSE[Reason.REGION_MISSING])),
    "selector wrong": (
        (mesh(ON, REF, "injectionSelector: {podSelector: {matchLabels: {'a b': c}}}"), config_map()),
        good(Ready=FALSE[WRONG], SelectorValid=FALSE[WRONG]),
    ),
    "off and incomplete": (
        (mesh("region: eu"),),
        good(
            Ready=FALSE[OFF],
            ConfigMapFound=FALSE[NO_MAP],
            TemplateValid=UNKNOWN[NO_MAP],
            SelectorValid=FALSE[WRONG],
            Registered=FALSE[OFF],
        ),
    ),
    "document wrong": (
        (mesh(*GOOD, "priority: high"), config_map()),
        {
            "Ready": FALSE[Reason.NOT_READY],
            **dict.fromkeys(("ConfigMapFound", "TemplateValid", "SelectorValid"), UNKNOWN[Reason.NOT_READY]),
            "Registered": ("True", "Registered"),
        },
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_conditions(state: str) -> None:
    texts, expected = STATES[state]
    assert told(facts(snapshot(*texts))) == expected


def test_a_mesh_that_is_not_registered_is_not_ready() -> None:
    known = facts(snapshot(mesh(*GOOD), config_map()), {"mesh-system/cart": GONE})
    assert told(known) == good(Ready=FALSE[Reason.NOT_READY], Registered=FALSE[Reason.NOT_READY])
    assert message(known, "Ready") == "[MI811] there is no configuration; apply it"


def test_what_is_wrong_with_the_mesh_itself_goes_before_its_registration() -> None:
    known = facts(snapshot(mesh(*GOOD)), {"mesh-system/cart": GONE})
    assert told(known)["Ready"] == FALSE[NO_MAP]


def test_a_template_that_has_become_wrong_is_told_with_its_code_and_that_the_last_good_one_serves_on() -> None:
    before = snapshot(mesh(*GOOD), config_map())
    known = facts(snapshot(mesh(*GOOD), config_map("spec: {{ x.y() }}"), last=before))
    assert told(known) == good(Ready=FALSE[Reason.TEMPLATE_INVALID], TemplateValid=FALSE[Reason.TEMPLATE_INVALID])
    assert message(known, "Ready").startswith("[MI301] ")
    assert message(known, "Ready").endswith("; until then the last good one serves on")
    assert status(known)["template"]["digest"] == before.loaded.meshes[0].digest


def test_a_selector_that_has_become_wrong_leaves_the_last_good_mesh_and_says_so() -> None:
    before = snapshot(mesh(*GOOD), config_map())
    wrong = mesh(ON, REF, "injectionSelector: {podSelector: {matchExpressions: [{key: app, operator: Exists, values: [a]}]}}")
    known = facts(snapshot(wrong, config_map(), last=before))
    assert told(known) == good(Ready=FALSE[WRONG], SelectorValid=FALSE[WRONG])
    assert "takes no values" in message(known, "SelectorValid")
    assert message(known, "SelectorValid").endswith("serves on")


def test_every_part_is_about_one_generation() -> None:
    made = status(facts(snapshot(mesh(*GOOD), config_map())))
    assert {made["observedGeneration"], *(one["observedGeneration"] for one in made["conditions"])} == {3}
    assert {one["lastTransitionTime"] for one in made["conditions"]} == {NOW}
    assert made["template"]["loadedAt"] == NOW


def test_a_status_that_says_the_same_is_the_same() -> None:
    known = facts(snapshot(mesh(*GOOD), config_map()))
    before = status(known)
    assert status(known, before, LATER) == before


def test_the_time_of_a_condition_changes_with_its_status_only() -> None:
    before = status(facts(snapshot(mesh(*GOOD))))
    after = status(facts(snapshot(mesh(*GOOD), config_map("spec: {{ x.y() }}"))), before, LATER)
    times = {one["type"]: one["lastTransitionTime"] for one in after["conditions"]}
    assert times == {name: LATER if name in ("ConfigMapFound", "TemplateValid") else NOW for name in TYPES}


def test_another_text_of_the_template_has_another_time_of_loading() -> None:
    before = status(facts(snapshot(mesh(*GOOD), config_map())))
    same = status(facts(snapshot(mesh(*GOOD, "priority: 1"), config_map())), before, LATER)
    other = status(facts(snapshot(mesh(*GOOD), config_map(TEMPLATE + " # new"))), before, LATER)
    assert (same["template"], other["template"]["loadedAt"]) == (before["template"], LATER)


def test_a_mesh_without_a_template_has_no_digest() -> None:
    assert "template" not in status(facts(snapshot(mesh(*GOOD))))


@pytest.mark.parametrize("current", [{"conditions": "none"}, {"conditions": ["Ready"]}, {"conditions": [{}]}, {"template": None}])
def test_what_somebody_else_wrote_into_the_status_does_no_harm(current: Status) -> None:
    assert status(facts(snapshot(mesh(*GOOD), config_map())), current) == status(facts(snapshot(mesh(*GOOD), config_map())))


def test_a_hostile_message_is_bounded() -> None:
    known = Facts(is_on=True, wrong=((Reason.TEMPLATE_INVALID, Problem("MI301", "x" * 100_000)),), is_older=True)
    assert len(message(known, "Ready")) < 3000


# --- events ---------------------------------------------------------------------------------------------------------------------------


def changes(before: Status, after: Status) -> list[tuple[str, str]]:
    return [(one["type"], one["reason"]) for one in conditions.changes(before, after)]


def test_of_a_new_mesh_an_event_tells_whether_it_is_ready() -> None:
    assert changes({}, status(facts(snapshot(mesh(*GOOD), config_map())))) == [("Ready", "Ready")]
    assert changes({}, status(facts(snapshot(mesh(*GOOD))))) == [("Ready", "ConfigMapMissing")]


def test_of_several_conditions_that_change_for_one_reason_one_event_tells() -> None:
    before = status(facts(snapshot(mesh(*GOOD), config_map())))
    after = status(facts(snapshot(mesh(*GOOD))), before, LATER)
    assert changes(before, after) == [("Ready", "ConfigMapMissing")]
    assert changes(after, before) == [("Ready", "Ready"), ("ConfigMapFound", "ConfigMapFound"), ("TemplateValid", "TemplateValid")]


def test_no_event_tells_of_what_stayed() -> None:
    before = status(facts(snapshot(mesh(*GOOD), config_map())))
    assert changes(before, status(facts(snapshot(mesh(*GOOD, "priority: 1"), config_map())), before, LATER)) == []


def test_several_meshes_are_told_apart() -> None:
    found = snapshot(mesh(*GOOD), mesh(ON, REF, name="wrong"), config_map())
    known: dict[str, Any] = {document.name: told(facts) for document, facts in conditions.facts(found, {})}
    assert {name: each["Ready"][0] for name, each in known.items()} == {"cart": "True", "wrong": "False"}
