import json
import runpy
from pathlib import Path

import pytest

from mesh_injector.engine import schema

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "mesh_injector" / "engine" / "pod_schema.json"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "generate_pod_schema.py"))


def node(*names):
    place = schema.POD
    for name in names:
        found = place.field(name)
        assert found is not None
        place = found.item() or found
    return place


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["metadata", "labels"], "map"),
        (["metadata", "labels", "any.label"], "text"),
        (["spec", "containers"], "object"),
        (["spec", "containers", "env", "value"], "text"),
        (["spec", "containers", "ports", "containerPort"], "integer"),
        (["spec", "containers", "livenessProbe", "httpGet", "port"], "int-or-text"),
        (["spec", "containers", "resources", "limits", "cpu"], "quantity"),
        (["spec", "containers", "args"], "text"),
        (["spec", "volumes", "emptyDir"], "object"),
        (["spec", "hostNetwork"], "boolean"),
    ],
)
def test_a_place_has_the_kind_that_kubernetes_gives_it(names, kind):
    assert node(*names).kind == kind
    assert node(*names).wants_text == (kind == "text")


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["containers"], ("name",)),
        (["volumes"], ("name",)),
        (["hostAliases"], ("ip",)),
        (["tolerations"], ()),
        (["containers", "env"], ("name",)),
        (["containers", "envFrom"], ()),
        (["containers", "volumeMounts"], ("mountPath",)),
        (["containers", "ports"], ("containerPort", "protocol")),
    ],
)
def test_a_list_has_the_merge_keys_that_kubernetes_gives_it(names, keys):
    assert node("spec", *names[:-1]).field(names[-1]).merge_keys == keys


def test_a_patch_merge_key_serves_where_there_are_no_list_map_keys():
    assert schema.node_of({"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-merge-key": "ip"}).merge_keys == ("ip",)


def test_the_partial_pod_has_two_fields_and_a_narrow_metadata():
    assert schema.POD.fields == ("metadata", "spec")
    assert node("metadata").fields == ("annotations", "finalizers", "labels", "ownerReferences")
    assert node("spec").required == ()
    assert node("spec", "containers", "volumeMounts").required == ("mountPath", "name")


def test_there_is_no_node_where_there_is_nothing():
    assert node("spec").field("nothing") is None
    assert node("spec").item() is None
    assert node("metadata", "labels").item() is None
    assert node("spec", "containers", "name").field("x") is None


def test_equal_definitions_share_one_node():
    assert node("spec", "containers") is node("spec", "initContainers")


def test_the_bundled_file_names_its_release_and_is_written_as_the_script_writes():
    bundled = json.loads(BUNDLED.read_bytes())
    assert bundled["x-kubernetes-version"] == schema.KUBERNETES_VERSION == "v1.37.0"
    assert SCRIPT["as_text"](bundled) == BUNDLED.read_text("utf-8")
    assert BUNDLED.stat().st_size < 150_000


SWAGGER = {
    "definitions": {
        "io.k8s.api.core.v1.Pod": {
            "description": "a pod",
            "type": "object",
            "properties": {
                "kind": {"type": "string"},
                "metadata": {"$ref": "#/definitions/io.k8s.meta.v1.ObjectMeta", "description": "meta"},
                "spec": {"$ref": "#/definitions/io.k8s.api.core.v1.PodSpec"},
                "status": {"$ref": "#/definitions/io.k8s.api.core.v1.PodStatus"},
            },
        },
        "io.k8s.api.core.v1.PodStatus": {"type": "object"},
        "io.k8s.meta.v1.ObjectMeta": {
            "type": "object",
            "properties": {
                "labels": {"type": "object", "additionalProperties": {"type": "string", "description": "a label"}},
                "name": {"type": "string"},
            },
        },
        "io.k8s.api.core.v1.PodSpec": {
            "type": "object",
            "required": ["containers"],
            "x-kubernetes-unions": [{}],
            "properties": {
                "containers": {
                    "type": "array",
                    "items": {"$ref": "#/definitions/io.k8s.api.core.v1.Container"},
                    "x-kubernetes-list-map-keys": ["name"],
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-patch-merge-key": "name",
                    "x-kubernetes-patch-strategy": "merge",
                },
                "ephemeralContainers": {"type": "array", "items": {"type": "string"}},
            },
        },
        "io.k8s.api.core.v1.Container": {
            "type": "object",
            "required": ["name", "age"],
            "x-kubernetes-map-type": "atomic",
            "properties": {
                "name": {"type": "string", "description": "a name"},
                "age": {"type": "integer", "format": "int64"},
                "port": {"$ref": "#/definitions/io.k8s.IntOrString"},
                "cpu": {"$ref": "#/definitions/io.k8s.Quantity"},
                "since": {"$ref": "#/definitions/io.k8s.Time"},
                "open": {"type": "object"},
                "anything": {"description": "of any kind"},
                "mode": {"type": "string"},
                "modes": {"type": "array", "items": {"type": "string"}},
            },
        },
        "io.k8s.IntOrString": {"type": "string", "format": "int-or-string"},
        "io.k8s.Quantity": {"type": "string"},
        "io.k8s.Time": {"type": "string", "format": "date-time"},
    }
}
WORDS = {"Container": {"mode": ["Fast", "Slow"], "modes": ["A", ""], "gone": ["x"]}, "Other": {"mode": ["x"]}}
INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
EXPECTED = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "$ref": "#/definitions/Pod",
    "x-kubernetes-version": "v1.2.3",
    "definitions": {
        "Pod": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"metadata": {"$ref": "#/definitions/ObjectMeta"}, "spec": {"$ref": "#/definitions/PodSpec"}},
            "x-mesh-injector-left-out": ["kind", "status"],
        },
        "ObjectMeta": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"labels": {"type": "object", "additionalProperties": {"type": "string"}}},
            "x-mesh-injector-left-out": ["name"],
        },
        "PodSpec": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "containers": {
                    "type": "array",
                    "items": {"$ref": "#/definitions/Container"},
                    "x-kubernetes-list-map-keys": ["name"],
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-patch-merge-key": "name",
                    "x-kubernetes-patch-strategy": "merge",
                }
            },
            "x-mesh-injector-left-out": ["ephemeralContainers"],
        },
        "Container": {
            "type": "object",
            "additionalProperties": False,
            "required": ["age", "name"],
            "x-kubernetes-map-type": "atomic",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
                "port": {"$ref": "#/definitions/IntOrString"},
                "cpu": {"$ref": "#/definitions/Quantity"},
                "since": {"$ref": "#/definitions/Time"},
                "open": {"type": "object", "additionalProperties": {}},
                "anything": {},
                "mode": {"type": "string", "enum": ["", "Fast", "Slow"]},
                "modes": {"type": "array", "items": {"type": "string", "enum": ["", "A"]}},
            },
        },
        "IntOrString": {"type": ["integer", "string"], **INT32},
        "Quantity": {"type": ["string", "number"]},
        "Time": {"type": "string"},
    },
}


def test_the_script_makes_a_strict_schema_of_kubernetes_openapi():
    assert SCRIPT["pod_schema"](SWAGGER, "v1.2.3", WORDS) == EXPECTED


def test_the_script_writes_one_sorted_definition_a_line():
    lines = SCRIPT["as_text"](EXPECTED).splitlines()
    assert json.loads("".join(lines)) == EXPECTED
    assert [line.split('"')[1] for line in lines[1:-1]] == sorted(EXPECTED["definitions"])


def test_the_script_refuses_two_definitions_of_one_short_name():
    container_too = {"type": "object", "properties": {"metadata": {"$ref": "#/definitions/io.other.Pod"}}}
    with pytest.raises(ValueError, match="same short name"):
        SCRIPT["pod_schema"]({"definitions": {"io.k8s.api.core.v1.Pod": container_too, "io.other.Pod": {}}}, "v1.2.3", {})


TYPES = """
// Mode is how.
// +enum
type Mode string

const (
	// as fast as can be
	ModeFast Mode = "Fast"
	ModeSlow Mode = "Slow"
)
const Loose Capability = "NET_ADMIN"
const Name string = "default"

type Container struct {
	// The name.
	Name string `json:"name"`
	Mode Mode `json:"mode,omitempty"`
	ModePtr  *Mode   `json:"modePtr,omitempty"`
	Modes []Mode `json:"modes"`
	Caps []Capability `json:"caps"`
}
type Other struct {
	Size int32 `json:"size"`
}
"""


def test_the_script_reads_the_words_of_fields_from_the_constants_of_their_types():
    words = ["Fast", "Slow"]
    assert SCRIPT["words_of"](TYPES) == {"Container": {"mode": words, "modePtr": words, "modes": words}}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["spec", "restartPolicy"], ("", "Always", "OnFailure", "Never")),
        (["spec", "tolerations", "effect"], ("", "NoSchedule", "PreferNoSchedule", "NoExecute")),
        (["spec", "volumes", "ephemeral", "volumeClaimTemplate", "spec", "volumeMode"], ("", "Block", "Filesystem")),
        (["spec", "volumes", "emptyDir", "medium"], ()),
        (["spec", "containers", "name"], ()),
    ],
)
def test_a_field_has_the_words_that_kubernetes_knows(names, words):
    assert node(*names).words == words


def test_a_place_knows_the_name_of_its_definition():
    assert node("spec", "containers", "livenessProbe").name == "Probe"
    assert node("spec", "containers", "livenessProbe", "httpGet", "port").name == "IntOrString"
    assert node("metadata", "labels").name == ""
