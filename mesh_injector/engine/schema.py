"""The bundled schema of a partial pod: which fields Kubernetes knows, of what type, and by what the items of a list are told apart.

All answers come from pod_schema.json, which scripts/generate_pod_schema.py writes from Kubernetes' own OpenAPI; a partial pod requires
nothing at the top and brings only labels, annotations, ownerReferences and finalizers in its metadata, and in items `required` holds.
"""

import dataclasses
import functools
import pkgutil
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["object", "map", "list", "text", "integer", "number", "boolean", "int-or-text", "quantity", "any"]

BUNDLED: Final[dict[str, Any]] = msgspec.json.decode(pkgutil.get_data(__name__, "pod_schema.json") or b"")
"""The draft-04 schema of a partial pod, as the script wrote it."""
KUBERNETES_VERSION: Final[str] = BUNDLED["x-kubernetes-version"]
"""The release whose fields are known, such as `v1.37.0`."""

_KINDS: Final[dict[str, Kind]] = {
    "": "any",
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "integer string": "int-or-text",
    "string number": "quantity",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A place in the pod's schema; equal definitions share one node, so walking down allocates nothing.

    `children` are an object's fields by name, `inner` a map's values or a list's items; `merge_keys` the fields by which Kubernetes tells
    a list's items apart (x-kubernetes-list-map-keys, else x-kubernetes-patch-merge-key, else none); `bounds` the least and the greatest
    integer; `words` the only texts that mean something; `left_out` the fields that Kubernetes has and no template may bring; `name` that of
    an object's definition, `Probe`.
    """

    kind: Kind
    children: Mapping[str, "Node"] = dataclasses.field(default_factory=dict)
    inner: "Node | None" = None
    required: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    merge_keys: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    name: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of an object's fields, sorted."""
        return tuple(self.children)

    @property
    def wants_text(self) -> bool:
        """Whether Kubernetes wants text here, and a lone number becomes its text."""
        return self.kind == "text"

    def field(self, name: str) -> "Node | None":
        """The node of an object's field, or of a map's values; None where there is no such thing."""
        return self.inner if self.kind == "map" else self.children.get(name)

    def item(self) -> "Node | None":
        """The node of a list's items; None of anything else."""
        return self.inner if self.kind == "list" else None


def node_of(schema: Mapping[str, Any]) -> Node:
    """The node of one schema as the generator writes it; references lead into the bundled file."""
    if "$ref" in schema:
        return definition(schema["$ref"].rpartition("/")[2])
    declared = schema.get("type", "")
    if declared == "array":
        keys = schema.get("x-kubernetes-list-map-keys") or filter(None, [schema.get("x-kubernetes-patch-merge-key")])
        return Node("list", inner=node_of(schema["items"]), merge_keys=tuple(keys))
    if declared == "object":
        return _object(schema)
    return _scalar(
        declared if isinstance(declared, str) else " ".join(declared),
        schema.get("minimum"),
        schema.get("maximum"),
        tuple(schema.get("enum", ())),
    )


@functools.cache
def definition(name: str) -> Node:
    """The node of a definition by its short name: `Container`, `Probe`."""
    return dataclasses.replace(node_of(BUNDLED["definitions"][name]), name=name)


def _object(schema: Mapping[str, Any]) -> Node:
    if "properties" not in schema:
        return Node("map", inner=node_of(schema["additionalProperties"]))
    return Node(
        "object",
        children={name: node_of(value) for name, value in schema["properties"].items()},
        required=tuple(schema.get("required", ())),
        left_out=tuple(schema.get("x-mesh-injector-left-out", ())),
    )


@functools.cache
def _scalar(declared: str, least: int | None, greatest: int | None, words: tuple[str, ...]) -> Node:
    return Node(_KINDS[declared], bounds=None if least is None or greatest is None else (least, greatest), words=words)


POD: Final[Node] = definition("Pod")
"""The partial pod: the fields `metadata` and `spec`."""
