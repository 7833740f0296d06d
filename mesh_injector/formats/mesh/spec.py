"""The Mesh resource as its author writes it: every field with its bounds, and clear problems for what does not fit."""

import difflib
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from mesh_injector import reasons
from mesh_injector.documents import Document
from mesh_injector.errors import Problem

GROUP: Final = "mesh-injector.io"
VERSION: Final = "v1alpha1"
DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

DnsLabel = Annotated[StrictStr, StringConstraints(pattern=DNS_LABEL)]
DnsName = Annotated[StrictStr, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
LabelKey = Annotated[
    StrictStr, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=False)


class ConfigMapRef(_Model):
    """Where the patch template is; the namespace defaults to the mesh's, the key to the ConfigMap's only entry."""

    name: DnsName
    namespace: DnsLabel | None = None
    key: Annotated[StrictStr, StringConstraints(pattern=r"^[-._a-zA-Z0-9]{1,253}$")] | None = None


class InjectionSelector(_Model):
    """Which pods the mesh selects. Both are LabelSelectors and both must match; `{}` selects all, and at least one must be there."""

    pod_selector: dict[str, Any] | None = None
    namespace_selector: dict[str, Any] | None = None


class MeshSpec(_Model):
    """The spec of a Mesh."""

    enable_auto_inject: StrictBool = False
    region: Annotated[StrictStr, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")] | None = None
    virtual_node_label: LabelKey = f"{GROUP}/virtual-node"
    injection_selector: InjectionSelector | None = None
    sidecar_patch_config_map: ConfigMapRef | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    overrides: tuple[StrictStr, ...] = ()
    require_container_ports: StrictBool = True
    init_containers: Literal["First", "Last"] = "First"
    mode: Literal["Enforce", "Audit"] = "Enforce"
    on_error: Literal["Fail", "Ignore"] = "Fail"
    priority: Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)] = 0


def parse(document: Document) -> tuple[MeshSpec | None, tuple[Problem, ...]]:
    """Read the spec of a Mesh document; None and every problem, with its place in the file, when it does not fit."""
    spec = document.body.get("spec")
    spec = {} if spec is None else spec
    if not isinstance(spec, dict):
        return None, (_problem(document, ("spec",), reasons.FIELD_WRONG, "`spec` must be a mapping", "indent its fields under `spec:`"),)
    try:
        return MeshSpec.model_validate(_without_nulls(spec)), ()
    except ValidationError as error:
        return None, tuple(_explain(document, detail) for detail in error.errors(include_url=False))


def _without_nulls(spec: dict[str, Any]) -> dict[str, Any]:
    """Treat a field that is null as absent, as Kubernetes does; the selectors say themselves what null means to them."""
    return {key: value for key, value in spec.items() if value is not None}


def _explain(document: Document, detail: ErrorDetails) -> Problem:
    path = ("spec", *detail["loc"])
    name = ".".join(map(str, path))
    if detail["type"] == "extra_forbidden":
        known = _fields(path[1:-1])
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        fix = f"did you mean `{close[0]}`?" if close else f"the fields here are {', '.join(sorted(known))}"
        return _problem(document, path, reasons.FIELD_UNKNOWN, f"a Mesh has no field `{name}`", fix)
    found = "" if isinstance(detail["input"], dict) else f", found {detail['input']!r:.60}"
    fix = "see the reference of the Mesh resource"
    return _problem(document, path, reasons.FIELD_WRONG, f"`{name}`: {_requirement(detail)}{found}", fix)


def _requirement(detail: ErrorDetails) -> str:
    """Say what a field must be, in the words of its author."""
    context = detail.get("ctx") or {}
    words = {
        "bool_type": "must be true or false, without quotes",
        "string_type": "must be text",
        "int_type": "must be a whole number, without quotes",
        "dict_type": "must be a mapping",
        "model_type": "must be a mapping",
        "tuple_type": "must be a list",
        "missing": "is required",
        "string_pattern_mismatch": f"must match {context.get('pattern')}",
        "literal_error": f"must be {context.get('expected')}",
    }
    return words.get(detail["type"], detail["msg"])


def _fields(path: tuple[Any, ...]) -> list[str]:
    models: dict[tuple[Any, ...], type[_Model]] = {
        (): MeshSpec,
        ("injectionSelector",): InjectionSelector,
        ("sidecarPatchConfigMap",): ConfigMapRef,
    }
    model = models.get(path)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _problem(document: Document, path: tuple[Any, ...], code: str, what: str, fix: str) -> Problem:
    origin = document.locate(path)
    return Problem(code, what, str(origin), fix, document.excerpt(origin))
