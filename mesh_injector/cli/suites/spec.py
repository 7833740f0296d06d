"""What a test file says: pods, and for each case what is expected of one of them.

Every field is known and typed here, so that a misspelt one is an error with its line and no test that always passes.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from mesh_injector.engine.outcome import Verdict
from mesh_injector.reasons import Reason

API_VERSION: Final = "cli.mesh-injector.io/v1alpha1"
KIND: Final = "Test"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=False)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    """Write a scalar as an annotation has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _not_empty(expect: "Expect") -> "Expect":
    if not expect.model_fields_set:
        raise PydanticCustomError("empty", "expects nothing, so the test would always pass", {"fix": "expect an `outcome` at least"})
    return expect


Texts: TypeAlias = Annotated[tuple[StrictStr, ...], BeforeValidator(_as_list)]
"""One text or a list of them."""
Changes: TypeAlias = dict[str, StrictStr | None]
"""Texts by their keys; null takes a key away."""
Name: TypeAlias = Annotated[StrictStr, Field(min_length=1, max_length=200)]


class Expect(_Model):
    """What must have come out; what is left out is not looked at, and null says that there is none."""

    outcome: Literal[tuple(verdict.value for verdict in Verdict)] | None = None  # type: ignore[valid-type]
    """injected, skipped, audited, refused or ignored."""
    reason: Literal[tuple(reason.value for reason in Reason)] | None = None  # type: ignore[valid-type]
    """Why, such as ContainerPortMissing."""
    mesh: StrictStr | None = None
    """The mesh that decided: `namespace/name`, or the name alone; null: none."""
    message: Texts | None = None
    """Parts of the error's message; null: there is no error."""
    warnings: Texts | None = None
    """A part of each warning, in any order and none left out; `[]`: there are none."""
    adds: tuple[StrictStr, ...] | None = None
    """Everything that is added, as `explain` lists it, in any order; `[]`: nothing is."""
    pod: dict[StrictStr, Any] | None = None
    """Values in the pod as it comes out, by their paths."""
    snapshot: Literal[True] | None = None
    """The whole patch is the one that is kept beside the test file."""


class Case(_Model):
    """One pod, changed as the case says, and what is expected of it."""

    name: Name
    """A sentence that says what is right."""
    pod: StrictStr | dict[StrictStr, Any]
    """The name of a pod of `pods`, `Kind/name` of a workload of `files`, or a pod itself."""
    namespace: StrictStr = ""
    """Its namespace; by default the one that the pod says, or `default`."""
    labels: Changes = Field(default_factory=dict)
    """Labels that the pod gets for this case; null takes one away."""
    annotations: Changes = Field(default_factory=dict)
    """The same for annotations."""
    overrides: dict[str, Annotated[StrictStr | None, BeforeValidator(_as_text)]] = Field(default_factory=dict)
    """Values that the pod overrides: short for the annotations `values.mesh-injector.io/<name>`."""
    meshes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Fields of the spec of Meshes that are otherwise for this case, by name: `{payments: {values: {logLevel: debug}}}`; null takes a
    field away (RFC 7396)."""
    expect: Annotated[Expect, AfterValidator(_not_empty)]
    """What must come out."""


class Suite(_Model):
    """A test file."""

    api_version: Literal["cli.mesh-injector.io/v1alpha1"]
    kind: Literal["Test"]
    metadata: dict[str, Any] | None = None
    """Its name for reports; by default the file's."""
    source: Texts = (".",)
    """Files and folders of Meshes, ConfigMaps and Namespaces, as seen from the test file; by default its own folder."""
    home_namespace: StrictStr = "mesh-system"
    """The injector's own namespace."""
    namespaces: dict[str, dict[str, StrictStr]] = Field(default_factory=dict)
    """Labels of namespaces, beside those of the source."""
    pods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Pods and workloads by name; without `kind` it is a Pod."""
    files: Texts = ()
    """Files of pods and workloads, as seen from the test file."""
    tests: Annotated[tuple[Case, ...], Field(min_length=1)]
    """The cases, in the order in which they run."""


def merged(body: Any, changes: Any) -> Any:
    """Merge changes into a body as a JSON Merge Patch does, RFC 7396."""
    if not isinstance(changes, Mapping):
        return changes
    body = dict(body) if isinstance(body, Mapping) else {}
    for key, value in changes.items():
        if value is None:
            body.pop(key, None)
        else:
            body[key] = merged(body.get(key), value)
    return body
