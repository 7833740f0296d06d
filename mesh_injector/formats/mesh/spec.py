"""The Mesh resource as its author writes it: every field with its bounds, and clear problems for what does not fit.

The texts under the fields are what `kubectl explain mesh.spec` shows: scripts/generate_crd.py writes crds/ from these models.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from mesh_injector import reasons
from mesh_injector.documents import Document, fitting
from mesh_injector.errors import Problem

GROUP: Final = "mesh-injector.io"
VERSION: Final = "v1alpha1"
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
LABEL_KEY: Final = rf"^({_SUBDOMAIN}/)?{_NAME}$"
_CONFIG_MAP_KEY: Final = r"^([-_a-zA-Z0-9]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$"
"""Neither `.` nor `..`, and nothing that begins with `..`: a ConfigMap's entry may have to become a file."""

DnsLabel: TypeAlias = Annotated[StrictStr, Field(pattern=DNS_LABEL, max_length=63)]
DnsName: TypeAlias = Annotated[StrictStr, Field(pattern=rf"^{_SUBDOMAIN}$", max_length=253)]
LabelKey: TypeAlias = Annotated[StrictStr, Field(pattern=LABEL_KEY, max_length=253 + 1 + 63)]
LabelValue: TypeAlias = Annotated[StrictStr, Field(pattern=rf"^({_NAME})?$", max_length=63)]
ValueName: TypeAlias = Annotated[StrictStr, Field(pattern=rf"^{_NAME}$", max_length=63)]


def _sized(body: Any) -> Any:
    """Refuse a selector that is too large. Whatever else is wrong with it is SelectorInvalid, which the engine says."""
    try:
        LabelSelector.model_validate(body)
    except ValidationError as error:
        large = [_again(detail) for detail in error.errors() if detail["type"] == "too_long"]
        if large:
            raise ValidationError.from_exception_data("LabelSelector", large) from None
    return body


def _again(detail: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=detail["type"], loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx") or {})


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [index for index, name in enumerate(names) if name in names[:index]]
    if twice:
        error = PydanticCustomError("twice", "is in the list twice")
        lines = [InitErrorDetails(type=error, loc=(index,), input=names[index]) for index in twice]
        raise ValidationError.from_exception_data("MeshSpec", lines)
    return names


_TOP: Final = ("apiVersion", "kind", "metadata", "spec", "status")
"""The fields of every resource."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=False)


class LabelSelectorRequirement(_Model):
    """One condition on one label."""

    key: LabelKey
    """The label that the condition is about, as `name` or `prefix/name`."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """`In`: the label has one of `values`. `NotIn`: it has none of them, or is absent. `Exists` and `DoesNotExist`: whatever its value."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=256)] | None = None
    """What `In` and `NotIn` compare with, at least one; `Exists` and `DoesNotExist` take none."""


class LabelSelector(_Model):
    """A selector of labels as in every other resource of Kubernetes: all its conditions must hold, and `{}` selects everything."""

    # Null only to be refused by a rule: the API server drops a null that may not be, and `{app: null}` would select everything.
    match_labels: Annotated[dict[str, LabelValue | None], Field(max_length=64)] | None = None
    """Labels and the value that each must have."""
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Field(max_length=64)] | None = None
    """Conditions on labels; all must hold."""


Selector: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_sized, json_schema_input_type=LabelSelector)]


class ConfigMapRef(_Model):
    """Where the patch template is."""

    name: DnsName
    """The ConfigMap. It must carry the label `mesh-injector.io/template: "true"`."""
    namespace: DnsLabel | None = None
    """Its namespace; by default the mesh's own. Only a Mesh in the injector's home namespace may name another one."""
    key: Annotated[StrictStr, Field(pattern=_CONFIG_MAP_KEY, max_length=253)] | None = None
    """The entry of `data` that holds the template; by default the only one."""


class InjectionSelector(_Model):
    """Which pods the mesh selects: those that both selectors match."""

    pod_selector: Selector | None = None
    """Selects by the pod's labels; `{}` selects every pod. Absent: `namespaceSelector` decides alone."""
    namespace_selector: Selector | None = None
    """Selects by the labels of the pod's namespace; `{}` selects every namespace. Absent: `podSelector` decides alone."""


class MeshSpec(_Model):
    """What is injected, and into which pods."""

    enable_auto_inject: StrictBool = False
    """Whether pods are injected. When false the mesh is known, injects nothing, and may be incomplete."""
    region: Annotated[StrictStr, Field(pattern=r"^[a-z0-9-]{1,63}$", max_length=63)] | None = None
    """The variable `region` of the template, such as `eu-west-1`. Required if the template names it."""
    virtual_node_label: LabelKey = f"{GROUP}/virtual-node"
    """The pod's label whose value is the template's variable `virtual_node_name`. A pod needs it if the template names that variable."""
    injection_selector: InjectionSelector | None = None
    """Which pods the mesh selects: by `podSelector`, by `namespaceSelector`, or by both, which must then both match. A Mesh outside the
    injector's home namespace selects only pods of its own namespace."""
    sidecar_patch_config_map: ConfigMapRef | None = None
    """The ConfigMap that holds the patch template: Jinja text that renders to a partial Pod."""
    values: dict[str, Any] = Field(default_factory=dict, max_length=256)
    """Anything the template needs; it reads them as `values`. None by default."""
    overrides: Annotated[
        tuple[ValueName, ...], Field(max_length=64, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)
    ] = ()
    """The names in `values` that a pod may set by its annotation `values.mesh-injector.io/<name>`; none by default. The value must be a
    scalar, and what the pod writes takes its type."""
    require_container_ports: StrictBool = True
    """Where the template names the pod's ports: whether a pod is refused if one of its containers names none, because that container's
    traffic would bypass the proxy."""
    init_containers: Literal["First", "Last"] = "First"
    """Where the template's init containers go: before the pod's own (`First`) or after them (`Last`)."""
    mode: Literal["Enforce", "Audit"] = "Enforce"
    """`Enforce` injects. `Audit` only computes and reports, and changes no pod."""
    on_error: Literal["Fail", "Ignore"] = "Fail"
    """What happens to a selected pod that cannot be injected: `Fail` refuses it; `Ignore` admits it unchanged, warns and counts it."""
    priority: Annotated[StrictInt, Field(ge=-(2**31), le=2**31 - 1)] = 0
    """Of several meshes that select a pod the one with the highest priority injects it. Outside the injector's home namespace a priority
    above 0 counts as 0. If it is equal, home goes first; then a tie is an error."""


def parse(document: Document) -> tuple[MeshSpec | None, tuple[Problem, ...]]:
    """Read the spec of a Mesh document; None and its problems, each with its place in the file, when it does not fit."""
    if strange := [key for key in document.body if key not in _TOP]:
        return None, tuple(fitting.unknown(document, (key,), f"a Mesh has no field `{key:.80}`", _TOP) for key in strange[: fitting.TOLD])
    spec = document.body.get("spec")
    spec = {} if spec is None else spec
    if not isinstance(spec, dict):
        origin = document.locate(("spec",))
        fix = "indent its fields under `spec:`"
        return None, (Problem(reasons.FIELD_WRONG, "`spec` must be a mapping", str(origin), fix, document.excerpt(origin)),)
    try:
        return MeshSpec.model_validate(_without_nulls(spec)), ()
    except ValidationError as error:
        return None, tuple(fitting.problems(document, error, MeshSpec, ("spec",)))


def _without_nulls(spec: dict[str, Any]) -> dict[str, Any]:
    """Treat a field that is null as absent, as Kubernetes does; the selectors say themselves what null means to them."""
    return {key: value for key, value in spec.items() if value is not None}
