"""The pod as the engine sees it: a frozen projection of what decisions and placement read, over bytes that stay as they came.

We type the envelope, never the cargo: what nobody asks for is not decoded, so a field newer than this program survives untouched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from mesh_injector import reasons
from mesh_injector.engine import schema
from mesh_injector.errors import Problem, ReviewError


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """The part of `ObjectMeta` that decisions read; absent and null are the same."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: msgspec.Raw = msgspec.Raw(b"null")
    finalizers: msgspec.Raw = msgspec.Raw(b"null")


class Port(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A `ContainerPort`: its number, and what a template's port is compared with."""

    container_port: int
    protocol: str | None = None
    name: Any = None
    host_port: Any = None
    host_ip: Any = msgspec.field(name="hostIP", default=None)


class Container(msgspec.Struct, frozen=True):
    """The part of a container that decisions read; what else Kubernetes knows of one stays as it came, until `member` is asked."""

    name: str
    ports: list[Port] | None = None

    def member(self, name: str) -> Any:
        """Decode one member; None when it is absent, null or unknown."""
        found = getattr(self, name, None)
        return _ANY.decode(found) if isinstance(found, msgspec.Raw) else msgspec.to_builtins(found)

    def has(self, name: str) -> bool:
        """Whether it has a member: neither absent nor null. Nothing is decoded for it."""
        return getattr(self, name, _NULL) not in (None, _NULL)

    def keys(self, name: str) -> set[str] | None:
        """What the items of a list with keys are told apart by (`mountPath` of mounts, else `name`); None where it is no such list."""
        return _paths(self.volumeMounts) if name == "volumeMounts" else _names(getattr(self, name))  # type: ignore[attr-defined]


class _Named(msgspec.Struct, frozen=True):
    """An item of a list, of which only its name is decoded."""

    name: str = ""


class _Mount(msgspec.Struct, frozen=True):
    """A mount, of which only its path is decoded."""

    mountPath: str = ""  # noqa: N815 - Kubernetes' name


_ANY: Final = msgspec.json.Decoder()
_NAMED: Final = msgspec.json.Decoder(list[_Named])
_MOUNTS: Final = msgspec.json.Decoder(list[_Mount])
_NULL: Final = msgspec.Raw(b"null")
_TRUE: Final = msgspec.Raw(b"true")


def _names(items: msgspec.Raw) -> set[str] | None:
    try:
        return {item.name for item in _NAMED.decode(items)}
    except msgspec.ValidationError:
        return None


def _paths(mounts: msgspec.Raw) -> set[str] | None:
    try:
        return {mount.mountPath for mount in _MOUNTS.decode(mounts)}
    except msgspec.ValidationError:
        return None


def _with_rest(name: str, node: schema.Node | None, base: type[msgspec.Struct]) -> Any:
    """Add all other fields of the schema to a structure, undecoded: a list of names that is never out of date."""
    typed = {field.encode_name for field in msgspec.structs.fields(base)}
    rest = [(field, msgspec.Raw, _NULL) for field in (node.fields if node else ()) if field not in typed]
    return msgspec.defstruct(name, rest, bases=(base,), frozen=True)


_SPEC: Final = schema.POD.field("spec")
_CONTAINERS: Final = _SPEC.field("containers") if _SPEC else None
_Container: Final = _with_rest("Container", _CONTAINERS.item() if _CONTAINERS else None, Container)


class _Spec(msgspec.Struct, frozen=True):
    containers: list[_Container] | None = None  # type: ignore[valid-type]
    initContainers: list[_Container] | None = None  # type: ignore[valid-type] # noqa: N815 - Kubernetes' name


_WholeSpec: Final = _with_rest("Spec", _SPEC, _Spec)


class Projection(msgspec.Struct, frozen=True):
    """A pod, decoded as far as decisions and placement read it."""

    metadata: Metadata | None = None
    spec: _WholeSpec | None = None  # type: ignore[valid-type]


_NO_METADATA: Final = Metadata()
_NO_SPEC: Final = _WholeSpec()
_PROJECTION: Final = msgspec.json.Decoder(Projection)


class Pod:
    """One pod, decoded only as far as somebody asks.

    Make it from JSON bytes (the webhook) or from a document (the command line); both go the same way, so both doors see the same pod.
    """

    __slots__ = (
        *("_decoded", "_raw", "_spec", "annotations", "containers", "has_metadata", "host_network", "init_containers"),
        *("labels", "metadata"),
    )

    def __init__(self, raw: bytes | msgspec.Raw | Callable[[], msgspec.Raw], projection: Projection | None = None) -> None:
        """Raise `ReviewError` when the JSON is not a pod: the wrong type at some path.

        With a `projection` it is decoded already, and `raw` may be what finds its bytes when somebody asks for the whole.
        """
        self._raw = raw
        self._decoded: dict[str, Any] = {}
        projection = projection or _project(self._bytes())
        self.has_metadata = projection.metadata is not None
        self.metadata = projection.metadata or _NO_METADATA
        self.labels: Mapping[str, str] = self.metadata.labels or {}
        """The pod's labels; empty when it has none."""
        self.annotations: Mapping[str, str] = self.metadata.annotations or {}
        """The pod's annotations; empty when it has none."""
        self._spec: Any = projection.spec or _NO_SPEC
        self.host_network: bool = self._spec.hostNetwork == _TRUE
        """Whether the pod lives in the network of its node."""
        self.containers: Sequence[Container] = self._spec.containers or ()
        self.init_containers: Sequence[Container] = self._spec.initContainers or ()

    def _bytes(self) -> bytes | msgspec.Raw:
        return self._raw() if callable(self._raw) else self._raw

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> "Pod":
        """Make a pod from a mapping of JSON values, by the same way as from bytes."""
        return cls(msgspec.json.encode(body))

    @property
    def name(self) -> str:
        """The pod's name, or `cart-*` where the API server will generate one."""
        return self.metadata.name or (f"{self.metadata.generate_name}*" if self.metadata.generate_name else "")

    def spec_member(self, name: str) -> Any:
        """Decode one member of the pod's spec; None when it is absent, null or unknown. All of its containers take longest."""
        if name not in self._decoded:
            found = getattr(self._spec, name, None)
            self._decoded[name] = _ANY.decode(found) if isinstance(found, msgspec.Raw) else found and self.whole()["spec"][name]
        return self._decoded[name]

    def container(self, kind: str, name: str) -> Container | None:
        """Find a container of `containers` or `initContainers` by its name."""
        return next((one for one in (self.init_containers if kind == "initContainers" else self.containers) if one.name == name), None)

    def has(self, name: str) -> bool:
        """Whether the spec has a member: neither absent nor null. Nothing is decoded for it."""
        found = getattr(self._spec, name, None)
        return found is not None and found != _NULL

    def raws(self, names: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
        """Members of the spec as JSON, but no lists of containers; without those that are absent, null or unknown."""
        found = [(name, getattr(self._spec, name, _NULL)) for name in names]
        return tuple([(name, bytes(raw)) for name, raw in found if raw is not _NULL and isinstance(raw, msgspec.Raw) and raw != _NULL])

    def volume_names(self) -> set[str] | None:
        """The names of the pod's volumes, which it must have; None where they are no such list."""
        return _names(self._spec.volumes)

    def metadata_member(self, name: str) -> Any:
        """Decode one of the members of the pod's metadata that a template may bring; None when it is absent or null."""
        if name == "labels":
            return self.metadata.labels
        if name == "annotations":
            return self.metadata.annotations
        return _ANY.decode(self.metadata.owner_references if name == "ownerReferences" else self.metadata.finalizers)

    def whole(self) -> dict[str, Any]:
        """Decode everything: for a template that names `pod`, and for pods that carry our record."""
        return cast("dict[str, Any]", _ANY.decode(self._bytes()))


def _project(raw: bytes | msgspec.Raw) -> Projection:
    try:
        return _PROJECTION.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ReviewError(Problem(reasons.NOT_A_REVIEW, f"the object is not a pod: {error}", "request.object", "send a v1 Pod")) from error
