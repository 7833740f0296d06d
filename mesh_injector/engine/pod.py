"""The pod as the engine sees it: a frozen projection of what decisions and placement read, over bytes that stay as they came.

We type the envelope, never the cargo: what nobody asks for is not decoded, so a field newer than this program survives untouched.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from mesh_injector import reasons
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


class Port(msgspec.Struct, frozen=True, rename="camel"):
    """A `ContainerPort`: its number, and the protocol that Kubernetes assumes."""

    container_port: int
    protocol: str | None = None


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a container that decisions read."""

    name: str
    ports: list[Port] | None = None


class _Envelope(msgspec.Struct, frozen=True):
    metadata: Metadata | None = None
    spec: dict[str, msgspec.Raw] | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_CONTAINERS: Final = msgspec.json.Decoder(list[Container] | None)
_ANY: Final = msgspec.json.Decoder()
_NULL: Final = msgspec.Raw(b"null")


class Pod:
    """One pod, decoded only as far as somebody asks.

    Make it from JSON bytes (the webhook) or from a document (the command line); both go the same way, so both doors see the same pod.
    """

    __slots__ = ("_decoded", "containers", "has_metadata", "init_containers", "metadata", "raw", "spec")

    def __init__(self, raw: bytes | msgspec.Raw) -> None:
        """Raise `ReviewError` when the JSON is not a pod: the wrong type at some path."""
        self.raw = raw
        self._decoded: dict[str, Any] = {}
        try:
            envelope = _ENVELOPE.decode(raw)
            self.has_metadata = envelope.metadata is not None
            self.metadata = envelope.metadata or Metadata()
            self.spec = envelope.spec or {}
            self.containers = tuple(_CONTAINERS.decode(self.spec.get("containers", _NULL)) or ())
            self.init_containers = tuple(_CONTAINERS.decode(self.spec.get("initContainers", _NULL)) or ())
        except (msgspec.DecodeError, RecursionError) as error:
            raise ReviewError(
                Problem(reasons.NOT_A_REVIEW, f"the object is not a pod: {error}", "request.object", "send a v1 Pod")
            ) from error

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> "Pod":
        """Make a pod from a mapping of JSON values, by the same way as from bytes."""
        return cls(msgspec.json.encode(body))

    @property
    def labels(self) -> Mapping[str, str]:
        """The pod's labels; empty when it has none."""
        return self.metadata.labels or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The pod's annotations; empty when it has none."""
        return self.metadata.annotations or {}

    @property
    def name(self) -> str:
        """The pod's name, or `cart-*` where the API server will generate one."""
        return self.metadata.name or (f"{self.metadata.generate_name}*" if self.metadata.generate_name else "")

    @property
    def host_network(self) -> bool:
        """Whether the pod lives in the network of its node."""
        return self.spec_member("hostNetwork") is True

    def spec_member(self, name: str) -> Any:
        """Decode one member of the pod's spec; None when it is absent or null."""
        raw = self.spec.get(name)
        if raw is None:
            return None
        if name not in self._decoded:
            self._decoded[name] = _ANY.decode(raw)
        return self._decoded[name]

    def metadata_member(self, name: str) -> Any:
        """Decode one of the members of the pod's metadata that a template may bring; None when it is absent or null."""
        if name == "labels":
            return self.metadata.labels
        if name == "annotations":
            return self.metadata.annotations
        return _ANY.decode(self.metadata.owner_references if name == "ownerReferences" else self.metadata.finalizers)

    def whole(self) -> dict[str, Any]:
        """Decode everything: for a template that names `pod`, and for pods that carry our record."""
        return cast("dict[str, Any]", _ANY.decode(self.raw))
