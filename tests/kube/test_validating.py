"""The entries of the ValidatingWebhookConfiguration: who is asked about what, and that nobody is held up without us."""

import pytest

from mesh_injector.kube import entries, validating
from mesh_injector.kube.entries import Target
from mesh_injector.server import validator

ENTRIES = validating.entries(Target(ca=b"PEM"))


def test_meshes_and_labelled_config_maps_are_asked_about() -> None:
    asked = {
        name: [(rule["apiGroups"], rule["resources"], rule["operations"]) for rule in entry["rules"]] for name, entry in ENTRIES.items()
    }
    assert asked == {
        "meshes.mesh-injector.io": [(["mesh-injector.io"], ["meshes"], ["CREATE", "UPDATE"])],
        "templates.mesh-injector.io": [([""], ["configmaps"], ["CREATE", "UPDATE", "DELETE"])],
    }
    assert ENTRIES["templates.mesh-injector.io"]["objectSelector"] == {"matchLabels": {"mesh-injector.io/template": "true"}}


@pytest.mark.parametrize("name", ENTRIES)
def test_without_us_nobody_is_held_up(name: str) -> None:
    assert (ENTRIES[name]["failurePolicy"], ENTRIES[name]["sideEffects"]) == ("Ignore", "None")


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_leads_to_the_path_that_is_served(name: str) -> None:
    client = ENTRIES[name]["clientConfig"]
    assert client["service"] == {"namespace": "mesh-system", "name": "mesh-injector", "path": validator.PATH, "port": 443}
    assert client["caBundle"] == "UEVN"


def test_no_entry_is_taken_for_that_of_a_mesh() -> None:
    assert not any(entries.is_ours(name) for name in ENTRIES)
