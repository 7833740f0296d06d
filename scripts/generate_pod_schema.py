"""Write the bundled schema of a partial pod, mesh_injector/engine/pod_schema.json, from Kubernetes' own OpenAPI and Go types.

    python scripts/generate_pod_schema.py --version v1.37.0    write the schema of that release
    python scripts/generate_pod_schema.py --check              is the file what its own release gives? exit 1 if not

The OpenAPI comes with the Go module k8s.io/kubernetes, so `go` must be installed; it does not say which words a field may hold, so
these come from the constants of k8s.io/api and k8s.io/apimachinery. To move to a new release run the first line with its
number and commit the file; docs/decisions/0002-bundled-pod-schema.md says why and what to look at.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

TARGET: Final = Path(__file__).parents[1] / "mesh_injector" / "engine" / "pod_schema.json"
POD: Final = "io.k8s.api.core.v1.Pod"
KEPT_FIELDS: Final = {"Pod": ("metadata", "spec"), "ObjectMeta": ("annotations", "finalizers", "labels", "ownerReferences")}
"""The only fields that a template may bring, for definitions where most are the cluster's business."""
REFUSED_FIELDS: Final = {"PodSpec": ("ephemeralContainers",)}
"""Fields that Kubernetes refuses when a pod is created."""
PARTIAL: Final = frozenset({"PodSpec"})
"""Definitions of which a template brings a part, so that nothing in them is required."""
TYPES: Final = (("k8s.io/api", "core/v1/types.go"), ("k8s.io/apimachinery", "pkg/apis/meta/v1/types.go"))
"""The Go modules and files whose constants are the words of the pod's fields."""
OPEN_TYPES: Final = frozenset({"string", "Capability", "PodConditionType", "ResourceName", "StorageMedium"})
"""Types of constants whose fields take other words too."""
LAX: Final = {
    "HTTPHeader": ("value",),
    "ISCSIVolumeSource": ("lun",),
    "PreferredSchedulingTerm": ("preference",),
    "SleepAction": ("seconds",),
    "Sysctl": ("value",),
}
"""Members that OpenAPI requires and that an API server takes as empty or 0 where they are missing."""
EXTENSIONS: Final = (
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
)
BOUNDS: Final = {f"int{bits}": {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1} for bits in (32, 64)}
INT_OR_STRING: Final = {"type": ["integer", "string"], **BOUNDS["int32"]}
QUANTITY: Final = {"type": ["string", "number"]}


Words: TypeAlias = Mapping[str, Mapping[str, Sequence[str]]]
"""The words that a field may hold, by definition and field."""


def pod_schema(swagger: Mapping[str, Any], version: str, words: Words) -> dict[str, Any]:
    """The strict draft-04 schema of a partial pod, with every definition that it reaches under its short name.

    Raises ValueError if two definitions share a short name.
    """
    definitions: dict[str, Any] = {}
    origins: dict[str, str] = {}
    waiting = [POD]
    while waiting:
        name = waiting.pop()
        short = _short(name)
        if origins.setdefault(short, name) != name:
            raise ValueError(f"{name} and {origins[short]} have the same short name")
        if short not in definitions:
            source = _narrow(short, _with_words(swagger["definitions"][name], words.get(short, {})))
            definitions[short] = QUANTITY if short == "Quantity" else _translate(source)
            waiting += _references(source)
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$ref": "#/definitions/Pod",
        "definitions": definitions,
        "x-kubernetes-version": version,
    }


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _narrow(short: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without the fields that no template may bring; their names are kept, for a better message."""
    properties = source.get("properties", {})
    kept = [name for name in KEPT_FIELDS.get(short, properties) if name in properties and name not in REFUSED_FIELDS.get(short, ())]
    required = [] if short in PARTIAL else [name for name in source.get("required", []) if name not in LAX.get(short, ())]
    narrow = {**source, "required": required}
    if left_out := sorted(set(properties).difference(kept)):
        narrow |= {"properties": {name: properties[name] for name in kept}, "x-mesh-injector-left-out": left_out}
    return narrow


def _with_words(source: Mapping[str, Any], words: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """The definition with the words of its fields; empty text is one, because Kubernetes puts a default in its place."""
    properties = dict(source.get("properties", {}))
    for name in set(words).intersection(properties):
        is_list = properties[name]["type"] == "array"
        told = {"type": "string", "enum": ["", *(word for word in words[name] if word)]}
        properties[name] = {**properties[name], "items": told} if is_list else {**properties[name], **told}
    return {**source, "properties": properties} if words else source


def words_of(types: str) -> dict[str, dict[str, list[str]]]:
    """The words of every struct's fields in the text of Go files: those of the constants of a field's type."""
    constants: dict[str, list[str]] = {}
    for kind, word in re.findall(r'^\s+\w+\s+(\w+)\s*=\s*"([^"]*)"', types, re.MULTILINE):
        constants.setdefault(kind, []).append(word)
    found: dict[str, dict[str, list[str]]] = {}
    for struct, fields in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", types, re.MULTILINE | re.DOTALL):
        for kind, name in re.findall(r'^\t\w+\s+(?:\*|\[\])?(\w+)\s+`json:"(\w+)', fields, re.MULTILINE):
            if kind in constants and kind not in OPEN_TYPES:
                found.setdefault(struct, {})[name] = constants[kind]
    return found


def _references(source: object) -> list[str]:
    if isinstance(source, list):
        return [name for item in source for name in _references(item)]
    if not isinstance(source, dict):
        return []
    if isinstance(target := source.get("$ref"), str):
        return [target.removeprefix("#/definitions/")]
    return _references(list(source.values()))


def _translate(source: Mapping[str, Any]) -> dict[str, Any]:
    """One OpenAPI schema as a strict JSON schema without descriptions."""
    if "$ref" in source:
        return {"$ref": "#/definitions/" + _short(source["$ref"])}
    kept = {key: source[key] for key in (*EXTENSIONS, "x-mesh-injector-left-out") if key in source}
    match source.get("type"):
        case None:
            return kept
        case "object":
            return kept | _object(source)
        case "array":
            return kept | {"type": "array", "items": _translate(source["items"])}
        case "string" if source.get("format") == "int-or-string":
            return kept | INT_OR_STRING
        case kind:
            kept |= {"enum": source["enum"]} if "enum" in source else {}
            return kept | {"type": kind} | BOUNDS.get(source.get("format", ""), {})


def _object(source: Mapping[str, Any]) -> dict[str, Any]:
    """An object of known fields admits no others; one without any is a map."""
    if "properties" not in source:
        return {"type": "object", "additionalProperties": _translate(source.get("additionalProperties", {}))}
    strict: dict[str, Any] = {"type": "object", "additionalProperties": False}
    strict["properties"] = {name: _translate(value) for name, value in source["properties"].items()}
    if required := source.get("required"):
        strict["required"] = sorted(required)
    return strict


def as_text(schema: Mapping[str, Any]) -> str:
    """The schema as sorted, compact JSON with one definition a line, so that the next release reads well as a difference."""
    definitions = ",\n".join(f"{_compact(name)}:{_compact(value)}" for name, value in sorted(schema["definitions"].items()))
    rest = _compact({key: value for key, value in schema.items() if key != "definitions"})
    return f'{rest[:-1]},"definitions":{{\n{definitions}\n}}}}\n'


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def fetch(version: str) -> str:
    """The text that the file has for a release; ends the program with a message if the release cannot be fetched."""
    swagger = downloaded("k8s.io/kubernetes", version) / "api" / "openapi-spec" / "swagger.json"
    published = version.replace("v1.", "v0.", 1)  # Kubernetes' libraries carry its number with 0 for 1
    types = "".join((downloaded(module, published) / file).read_text("utf-8") for module, file in TYPES)
    return as_text(pod_schema(json.loads(swagger.read_text("utf-8")), version, words_of(types)))


def downloaded(module: str, version: str) -> Path:
    """The folder of a Go module; ends the program with a message if it cannot be fetched."""
    if not (go := shutil.which("go")):
        sys.exit("`go` is not installed: it is needed to fetch Kubernetes' modules (https://go.dev/doc/install)")
    done = subprocess.run([go, "mod", "download", "-json", f"{module}@{version}"], capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"`go mod download` failed: {done.stderr.strip()}")
    if "Error" in told:
        sys.exit(f"cannot fetch {told['Error']}")
    return Path(told["Dir"])


def bundled_version() -> str:
    """The release that the file was written from; ends the program with a message if there is no file."""
    if not TARGET.exists():
        sys.exit(f"{TARGET} is missing: say which release to write it from with --version")
    return str(json.loads(TARGET.read_bytes())["x-kubernetes-version"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description="Write the bundled pod schema from Kubernetes' OpenAPI.")
    parser.add_argument("--version", type=_release, help="the Kubernetes release, such as v1.37.0 (default: the bundled one)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not what would be written")
    options = parser.parse_args(arguments)
    text = fetch(options.version or bundled_version())
    if not options.check:
        TARGET.write_text(text, "utf-8")
        print(f"wrote {TARGET}, {len(text):,} bytes")
    elif not TARGET.exists() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET} is not what this script writes: run it without --check and commit the file")


def _release(text: str) -> str:
    if not re.fullmatch(r"v1\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError("write a release such as v1.37.0")
    return text


if __name__ == "__main__":
    main()
