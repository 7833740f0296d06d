"""What stands in the webhook configuration: an entry for each mesh with its own selectors, so that an outage touches no other pods.

Pure and deterministic. A configuration has room for so much; what does not fit is left out and said.
Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import msgspec

from mesh_injector import reasons
from mesh_injector.engine.rules import Registration
from mesh_injector.engine.selector import Selector
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh.ruling import INJECT_LABEL, SYSTEM_NAMESPACES
from mesh_injector.store import NAME_LABEL

DOMAIN: Final = "mesh-injector.io"
ASKED: Final = f"asked.{DOMAIN}"
"""The entry for pods that ask by their label, so that asking in vain is answered with a warning."""
MESHES: Final = 400
"""So many meshes have an entry each; above that those of one tenant namespace share one, and of home meshes the others have none."""
ENTRY_BYTES: Final = 64 * 1024
BYTES: Final = 1_500_000
"""What all may take, as we reckon it: etcd takes 1.5 MiB (https://etcd.io/docs/v3.6/dev-guide/limit/), and was measured to refuse 1.62
million. 400 entries with a bundle of two RSA certificates fit."""
_MORE_BYTES: Final = 64
"""What `managedFields` says of an entry beside its name, less what protocol buffers save: measured too."""
_RULE: Final = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}
_CONDITIONS: Final = (
    ("not-a-mirror-pod", "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)"),
    ("not-on-the-host-network", "!has(object.spec.hostNetwork) || !object.spec.hostNetwork"),
)
"""Never `namespaceObject`: it is accepted, and fails when a pod comes. Of what we never inject, these are the pods that mend a cluster."""

Entry = dict[str, Any]
"""One of `webhooks` in a MutatingWebhookConfiguration, every field written out, so that it compares with what the API server gives."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an API server finds us: the Service `name.namespace` and its port, or else the `url` that paths are added to; and the CA
    in PEM that our certificate verifies against (empty for those that the API server trusts anyway)."""

    service: str = "mesh-injector"
    namespace: str = "mesh-system"
    port: int = 443
    url: str = ""
    ca: bytes = b""

    @property
    def host(self) -> str:
        """The name for which an API server wants our certificate to be, where it finds us by the Service."""
        return f"{self.service}.{self.namespace}.svc"

    def client_config(self, path: str) -> dict[str, Any]:
        """Say how to reach a path."""
        service = {"namespace": self.namespace, "name": self.service, "path": path, "port": self.port}
        where = {"url": f"{self.url.rstrip('/')}{path}"} if self.url else {"service": service}
        return where | ({"caBundle": base64.b64encode(self.ca).decode()} if self.ca else {})


@dataclass(frozen=True, slots=True)
class Plan:
    """The entries that there should be, by name, in order; the entry of each mesh that has one; why each other mesh has none."""

    entries: Mapping[str, Entry]
    of_mesh: Mapping[str, str]
    left_out: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Candidate:
    entry: Entry
    meshes: tuple[str, ...]
    is_home: bool

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @cached_property
    def size(self) -> int:
        """About what it takes in etcd, where the CA bundle is not base64."""
        bundle = self.entry["clientConfig"].get("caBundle", "")
        return len(msgspec.json.encode(self.entry)) - len(bundle) // 4 + len(self.name) + _MORE_BYTES


class Planner:
    """Plans entries for one target and home namespace."""

    def __init__(self, target: Target, home: str) -> None:
        self._target, self._home = target, home
        self._excluded = [_requirement(NAME_LABEL, "NotIn", sorted({*SYSTEM_NAMESPACES, home}))]

    def plan(self, asked: Sequence[Registration], broken: Iterable[str] = (), present: Mapping[str, Entry] = {}) -> Plan:
        """Plan for meshes by what they ask. The entry that is `present` for a mesh which is `broken` now stays as it is.

        Where there is no room for all, home comes before tenants, and who is there already before who comes.
        """
        candidates = [*self._candidates(asked), *self._kept(asked, broken, present)]
        candidates.sort(key=lambda one: (not one.is_home, one.name not in present, one.name))
        entries, left_out = {ASKED: self._asked()}, {}
        rest = BYTES - _Candidate(entries[ASKED], (), is_home=True).size
        for number, one in enumerate(candidates):
            problem = _too_large(one) or (_full(one) if one.size > rest or (one.is_home and number >= MESHES) else None)
            if problem:
                left_out.update(dict.fromkeys(one.meshes, problem))
            elif one.name not in entries:
                entries[one.name] = one.entry
                rest -= one.size
        of_mesh = {mesh: one.name for one in candidates for mesh in one.meshes if one.name in entries and mesh not in left_out}
        return Plan(dict(sorted(entries.items())), dict(sorted(of_mesh.items())), left_out)

    def _candidates(self, asked: Iterable[Registration]) -> list[_Candidate]:
        """An entry for each, and where they are too many one for those of a namespace, beginning with the largest."""
        alone = {one.mesh: _Candidate(self._entry(one), (one.mesh,), not one.only_in) for one in asked}
        count, size = len(alone), sum(one.size for one in alone.values())
        tenants = _by_namespace(one for one in asked if one.only_in)
        for namespace, ones in sorted(tenants.items(), key=lambda item: (-sum(alone[one.mesh].size for one in item[1]), item[0])):
            shared, sizes = self._shared(namespace, ones), [alone[one.mesh].size for one in ones]
            is_of_use = (count > MESHES and len(ones) > 1) or (size > BYTES and sum(sizes) > shared.size)
            if is_of_use or max(sizes) > ENTRY_BYTES:
                count, size = count - len(ones) + 1, size - sum(sizes) + shared.size
                alone |= dict.fromkeys(shared.meshes, shared)
        return list(dict.fromkeys(alone.values()))

    def _kept(self, asked: Iterable[Registration], broken: Iterable[str], present: Mapping[str, Entry]) -> Iterator[_Candidate]:
        """Iterate over the present entries of meshes that cannot say what they ask for, brought to the target of today."""
        told = {one.mesh for one in asked}
        for mesh in sorted(set(broken) - told):
            entry = present.get(_name_of(mesh)) or present.get(_shared_name(mesh.partition("/")[0]))
            if entry is not None:
                now = entry | {"clientConfig": self._target.client_config(_path(entry))}
                yield _Candidate(now, (mesh,), mesh.startswith(f"{self._home}/"))

    def _entry(self, one: Registration) -> Entry:
        namespaces = [*_requirements(one.namespaces), *self._namespaces(one.only_in)]
        pods = [*_requirements(one.pods), _requirement(INJECT_LABEL, "NotIn", ["false"])]
        where = f"{one.mesh}/{one.generation}" if one.generation else one.mesh.partition("/")[0]  # a Mesh of a file has no generation
        return self._made(_name_of(one.mesh), f"/{where}", (namespaces, pods), is_required=one.is_required)

    def _shared(self, namespace: str, meshes: Sequence[Registration]) -> _Candidate:
        selectors = (self._namespaces(namespace), [_requirement(INJECT_LABEL, "NotIn", ["false"])])
        is_required = any(one.is_required for one in meshes)
        entry = self._made(_shared_name(namespace), f"/{namespace}", selectors, is_required=is_required)
        return _Candidate(entry, tuple(one.mesh for one in meshes), is_home=False)

    def _asked(self) -> Entry:
        selectors = (self._excluded, [_requirement(INJECT_LABEL, "In", ["true"])])
        entry = self._made(ASKED, "", selectors, is_required=False)
        return {name: value for name, value in entry.items() if name != "matchConditions"}  # who asks is answered, whatever the pod

    def _namespaces(self, only_in: str) -> list[dict[str, Any]]:
        within = [_requirement(NAME_LABEL, "In", [only_in])] if only_in else []
        return [*within, _requirement(INJECT_LABEL, "NotIn", ["disabled"]), *self._excluded]

    def _made(self, name: str, path: str, selectors: tuple[list[dict[str, Any]], list[dict[str, Any]]], *, is_required: bool) -> Entry:
        return {
            "name": name,
            "clientConfig": self._target.client_config(f"/mutate{path}"),
            "rules": [dict(_RULE)],
            "failurePolicy": "Fail" if is_required else "Ignore",
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": selectors[0]},
            "objectSelector": {"matchExpressions": selectors[1]},
            "sideEffects": "None",
            "timeoutSeconds": 5,
            "admissionReviewVersions": ["v1"],
            "matchConditions": [{"name": each, "expression": expression} for each, expression in _CONDITIONS],
            "reinvocationPolicy": "IfNeeded",
        }


def is_ours(name: str) -> bool:
    """Whether an entry's name is one that we give: `<mesh>.<namespace>`, `all.in.<namespace>` or `asked`, in our domain."""
    words = name.removesuffix(f".{DOMAIN}")
    return name == ASKED or (words != name and (words.count(".") == 1 or (words.count(".") == 2 and words.startswith("all.in."))))


def _by_namespace(asked: Iterable[Registration]) -> dict[str, list[Registration]]:
    found: dict[str, list[Registration]] = {}
    for one in asked:
        found.setdefault(one.only_in, []).append(one)
    return found


def _name_of(mesh: str) -> str:
    namespace, name = mesh.split("/")
    return f"{name}.{namespace}.{DOMAIN}"


def _shared_name(namespace: str) -> str:
    """Neither a mesh nor a namespace has a dot in its name, so no mesh's entry is called like that."""
    return f"all.in.{namespace}.{DOMAIN}"


def _path(entry: Entry) -> str:
    """The path of an entry that we made, wherever it led."""
    client = entry.get("clientConfig") or {}
    found = (client.get("service") or {}).get("path") or client.get("url") or ""
    return "/mutate" + str(found).partition("/mutate")[2]


def _requirements(selector: Selector | None) -> list[dict[str, Any]]:
    return [_requirement(one.key, one.operator, list(one.values)) for one in selector.requirements] if selector else []


def _requirement(key: str, operator: str, values: list[str]) -> dict[str, Any]:
    return {"key": key, "operator": operator} | ({"values": values} if values else {})


def _too_large(one: _Candidate) -> Problem | None:
    if one.size <= ENTRY_BYTES:
        return None
    what = f"the selectors would take {one.size:,} bytes of the webhook configuration, and have room for {ENTRY_BYTES:,}"
    return Problem(reasons.NO_ROOM, what, "spec.injectionSelector", "select by fewer values, such as one label that all the pods carry")


def _full(one: _Candidate) -> Problem:
    what = f"the webhook configuration has no room for another entry: it holds {MESHES} home meshes, and {BYTES:,} bytes in all"
    fix = "let one Mesh select what several do" if one.is_home else "remove meshes that are not needed, or let several become one"
    return Problem(reasons.NO_ROOM, what, "", fix)
