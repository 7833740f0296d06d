import pytest

from mesh_injector.engine import spelling


@pytest.mark.parametrize(
    ("name", "fields", "required", "meant"),
    [
        ("imagee", ["command", "image"], [], "image"),
        ("Image_Pull_Policy", ["image", "imagePullPolicy"], [], "imagePullPolicy"),
        ("path", ["mountPath", "subPath"], ["mountPath"], "mountPath"),
        ("name", ["optional", "secretName"], [], "secretName"),
        ("path", ["mountPath", "subPath"], [], ""),
        ("volumeMounts", ["volumes"], [], ""),
        ("colour", ["image"], [], ""),
    ],
)
def test_a_field_is_alike_by_its_letters_or_by_its_last_word(name, fields, required, meant):
    assert spelling.alike(name, fields, required) == meant


def test_the_distance_counts_the_steps_up_and_down():
    assert spelling.distance(("spec",), ("spec",)) == 0
    assert spelling.distance(("spec", "containers"), ("spec",)) == 1
    assert spelling.distance((), ("spec", "containers")) == 2
    assert spelling.distance(("spec", "containers", "securityContext"), ("spec", "securityContext")) == 3


def test_of_several_places_the_nearest_are_told():
    places = [("metadata",), ("spec", "containers"), ("spec", "initContainers"), ("spec", "volumes")]
    assert spelling.home(("spec",), places) == "a container or `spec.volumes`"


def test_at_most_three_places_are_told():
    assert spelling.home((), [("a",), ("b",), ("c",), ("d",)]) == "`a` or `b` or `c`"


def test_places_inside_containers_and_the_top_have_their_own_words():
    assert spelling.home((), [("spec", "initContainers", "env", "valueFrom")]) == "`env.valueFrom` of a container"
    assert spelling.home(("spec",), [()]) == "the top of the template"
