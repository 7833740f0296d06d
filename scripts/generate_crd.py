"""Write crds/mesh-injector.io_meshes.yaml, the CustomResourceDefinition of Mesh, from the models in mesh_injector/formats/mesh/spec.py.

    python scripts/generate_crd.py            write it
    python scripts/generate_crd.py --check    is the file what the models give? exit 1 if not

Fields, bounds, defaults and descriptions come from the models, the rules in CEL from here, all the rest from crd_frame.yaml.
Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import argparse
import ast
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic.alias_generators import to_camel

from mesh_injector import documents
from mesh_injector.formats.mesh import spec

FRAME: Final = Path(__file__).with_name("crd_frame.yaml")
TARGET: Final = Path(__file__).parents[1] / "crds" / f"{spec.GROUP}_meshes.yaml"
HEADER: Final = "# Written by scripts/generate_crd.py from mesh_injector/formats/mesh/spec.py: edit that, then run the script.\n"
KEPT: Final = (
    *("description", "type", "format", "default", "enum", "pattern", "maxLength", "minimum", "maximum"),
    *("maxItems", "maxProperties", "required"),
)
"""What a model's JSON schema and a structural schema have in common, in the order in which it reads best."""
INT32: Final = {"minimum": -(2**31), "maximum": 2**31 - 1}

Schema = dict[str, Any]


def _required(rule: str, field: str, message: str) -> Schema:
    return {"rule": rule, "message": message, "fieldPath": field, "reason": "FieldValueRequired"}


OFF: Final = "!(has(self.enableAutoInject) && self.enableAutoInject)"
RULES: Final[Mapping[str, Sequence[Schema]]] = {
    "MeshSpec": (
        _required(
            f"{OFF} || (has(self.injectionSelector) && "
            "(has(self.injectionSelector.podSelector) || has(self.injectionSelector.namespaceSelector)))",
            ".injectionSelector",
            "enableAutoInject needs injectionSelector, or no pod is selected: give it a podSelector or a namespaceSelector "
            "({} as one of them selects all), or set enableAutoInject: false",
        ),
        _required(
            f"{OFF} || has(self.sidecarPatchConfigMap)",
            ".sidecarPatchConfigMap",
            "enableAutoInject needs sidecarPatchConfigMap, the ConfigMap with the template: give its name, or set enableAutoInject: false",
        ),
    ),
    "LabelSelector": (
        {
            "rule": f"!has(self.matchLabels) || self.matchLabels.all(key, key.matches(r'{spec.LABEL_KEY}'))",
            "message": "every key must be a label key: a name of at most 63 letters, digits, `-`, `_` and `.` that begins and ends with a "
            "letter or digit, after a DNS name and a slash or alone",
            "fieldPath": ".matchLabels",
        },
        {
            "rule": "!has(self.matchLabels) || self.matchLabels.all(key, dyn(self.matchLabels[key]) != null)",
            "message": 'every label needs a value; for an empty one write "", for any value use matchExpressions with operator: Exists',
            "fieldPath": ".matchLabels",
        },
    ),
    "LabelSelectorRequirement": (
        _required(
            "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
            ".values",
            "the operators In and NotIn need at least one value; to ask only for the label use Exists or DoesNotExist",
        ),
        {
            "rule": "self.operator in ['In', 'NotIn'] || !has(self.values) || size(self.values) == 0",
            "message": "the operators Exists and DoesNotExist take no values: remove them, or use In or NotIn",
            "fieldPath": ".values",
        },
    ),
}
"""CEL rules by the model they belong to. They refuse only what can never be meant; a null field is absent here, as for the models."""
ATOMIC: Final = frozenset({"LabelSelector", "ConfigMapRef"})
"""Models that have one owner: server-side apply replaces them whole."""


def definition() -> Schema:
    """The CustomResourceDefinition: the frame with the `spec` of the models in it."""
    body: Schema = yaml.safe_load(FRAME.read_text("utf-8"))
    properties = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"] |= _Models().model("MeshSpec")
    return body


class _Models:
    """The models' JSON schemas by name, and what turns them into structural schemas."""

    def __init__(self) -> None:
        root = spec.MeshSpec.model_json_schema()
        self.sources: Mapping[str, Schema] = {**root["$defs"], root["title"]: root}
        self.texts = _descriptions(Path(spec.__file__).read_text("utf-8"))

    def model(self, name: str) -> Schema:
        """The structural schema of a model: its fields with their descriptions, and its rules."""
        source = self.sources[name]
        schema = _kept(source)
        if name in ATOMIC:
            schema["x-kubernetes-map-type"] = "atomic"
        if name in RULES:
            schema["x-kubernetes-validations"] = list(RULES[name])
        described = {key: {**value, "description": self.texts[name, key]} for key, value in source["properties"].items()}
        return schema | {"properties": {key: self.field(value) for key, value in described.items()}}

    def field(self, source: Schema) -> Schema:
        """The structural schema of a field. One that may be null is one that may be absent: the API server drops its null."""
        source = {**_value(source), **{key: source[key] for key in ("description", "default") if key in source}}
        if "$ref" in source:
            return self.model(source["$ref"].rpartition("/")[2]) | _kept(source)
        schema = _kept(source)
        if "items" in source:
            schema["x-kubernetes-list-type"] = "set" if source.get("uniqueItems") else "atomic"
            schema["items"] = self.field(source["items"])
        values = source.get("additionalProperties")
        if values is True:
            schema["x-kubernetes-preserve-unknown-fields"] = True
        elif values:
            schema["additionalProperties"] = self.field(values) | ({"nullable": True} if "anyOf" in values else {})
        return schema


def _value(source: Schema) -> Schema:
    """What a field is when it is not null."""
    [value] = [choice for choice in source.get("anyOf", [source]) if choice.get("type") != "null"]
    return dict(value)


def _kept(source: Schema) -> Schema:
    """Without what only JSON schema has, and without a default that is the same as absence."""
    source = source | {"format": "int32"} if INT32.items() <= source.items() else source
    schema: Schema = {key: source[key] for key in KEPT if key in source and not (key == "default" and source[key] in (None, []))}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema


def _descriptions(text: str) -> dict[tuple[str, str], str]:
    """The texts under the fields of the models, by the names of model and field."""
    found = {}
    for model in (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)):
        for field, below in itertools.pairwise(model.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(words))):
                    found[model.name, to_camel(name)] = words
    return found


def as_text() -> str:
    """The text that the file has."""
    return HEADER + documents.dump(definition())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description="Write the CustomResourceDefinition of Mesh from its models.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not what would be written")
    options = parser.parse_args(arguments)
    text = as_text()
    if not options.check:
        TARGET.write_text(text, "utf-8")
        print(f"wrote {TARGET}, {len(text):,} characters")
    elif not TARGET.exists() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET} is not what this script writes: run it without --check and commit the file")


if __name__ == "__main__":
    main()
