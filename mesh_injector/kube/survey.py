"""All that `check` looks at, read at once with the rights of whoever asks; what he may not see is an answer too.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access for the reviews of rights.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from mesh_injector.errors import ClusterError
from mesh_injector.kube import client, registration, validating
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.lease import LEASES
from mesh_injector.kube.lists import Scope, listed
from mesh_injector.kube.resource import MESHES, NAMESPACES, Object, Resource

NAME: Final = "mesh-injector"
"""What the installation calls its Deployment, Service, Lease, account and configurations."""
SECRET: Final = "mesh-injector-tls"  # noqa: S105 - a name
CRDS: Final = Resource("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition")
_DEPLOYMENTS: Final = Resource("apis/apps/v1", "deployments", "Deployment")
_SERVICES: Final = Resource("api/v1", "services", "Service")
_SLICES: Final = Resource("apis/discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
_SECRETS: Final = Resource("api/v1", "secrets", "Secret")
_REVIEWS: Final = "apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Question:
    """One object by its name, or a list of them; at home or in no namespace."""

    resource: Resource
    name: str = ""
    is_home: bool = False
    labels: str = ""

    def needs(self, home: str) -> str:
        """The right that it takes, as `kubectl auth can-i` is asked for it."""
        group = self.resource.api.split("/")[1] if self.resource.api.startswith("apis/") else ""
        what = f"{self.resource.plural}{f'.{group}' if group else ''}{f'/{self.name}' if self.name else ''}"
        return f"{'get' if self.name else 'list'} {what}{f' -n {home}' if self.is_home else ''}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question: the objects that are there, or why that is not known; `needs` is the right that it takes."""

    needs: str
    found: tuple[Object, ...] = ()
    error: ClusterError | None = None

    @property
    def one(self) -> Object | None:
        """The object, or the first of them."""
        return self.found[0] if self.found else None


@dataclass(frozen=True, slots=True)
class Right:
    """Something that somebody must be allowed: https://kubernetes.io/docs/reference/access-authn-authz/authorization/."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    is_allowed: bool | None = None
    """None where nobody would say."""

    def __str__(self) -> str:
        kind, _, subresource = self.resource.partition("/")
        what = f"{kind}{f'.{self.group}' if self.group else ''}{f'/{self.name}' if self.name else ''}"
        where = f" -n {self.namespace}" if self.namespace else " -A"
        return f"{self.verb} {what}{f' --subresource={subresource}' if subresource else ''}{where}"

    def attributes(self) -> dict[str, str]:
        """Say it as a review of access does."""
        kind, _, subresource = self.resource.partition("/")
        said = {"verb": self.verb, "group": self.group, "resource": kind, "subresource": subresource}
        return {key: value for key, value in {**said, "namespace": self.namespace, "name": self.name}.items() if value}


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen, when, and which rights the installation's account or (before there is one) the person has."""

    home: str
    host: str
    version: Object
    answers: Mapping[str, Answer]
    at: datetime
    rights: tuple[Right, ...] = field(default=())


QUESTIONS: Final[Mapping[str, Question]] = {
    "crd": Question(CRDS, "meshes.mesh-injector.io"),
    "deployment": Question(_DEPLOYMENTS, NAME, is_home=True),
    "service": Question(_SERVICES, NAME, is_home=True),
    "endpoints": Question(_SLICES, is_home=True, labels=f"kubernetes.io/service-name={NAME}"),
    "lease": Question(LEASES, NAME, is_home=True),
    "secret": Question(_SECRETS, SECRET, is_home=True),
    "mutating": Question(registration.CONFIGURATIONS),
    "validating": Question(validating.CONFIGURATIONS, NAME),
    "meshes": Question(MESHES),
    "namespaces": Question(NAMESPACES),
}


def installed(given: Credentials, home: str, rights: Sequence[Right]) -> Survey:
    """Look at an installation, and whether its account has rights. Raises ClusterError where nothing at all can be seen."""
    account = {"user": f"system:serviceaccount:{home}:{NAME}"}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]
    return asyncio.run(_survey(given, home, rights, ("subjectaccessreviews", {**account, "groups": groups})))


def before(given: Credentials, home: str, rights: Sequence[Right]) -> Survey:
    """Look at a cluster before anything is installed, and whether the person has rights. Raises ClusterError as `installed` does."""
    return asyncio.run(_survey(given, home, rights, ("selfsubjectaccessreviews", {})))


async def _survey(given: Credentials, home: str, rights: Sequence[Right], review: tuple[str, dict[str, Any]]) -> Survey:
    async with client.connect(given) as cluster:
        version = await cluster.get("/version")
        answers = await asyncio.gather(*(_answer(cluster, question, home) for question in QUESTIONS.values()))
        if errors := [answer.error for answer in answers if answer.error]:
            if len(errors) == len(answers):
                raise errors[0]
            if away := next((error for error in errors if error.status == 0), None):
                raise away
        allowed = await asyncio.gather(*(_review(cluster, right, review) for right in rights))
        host = cluster.api.configuration.host
        return Survey(home, host, version, dict(zip(QUESTIONS, answers, strict=True)), datetime.now(UTC), tuple(allowed))


async def _answer(cluster: Cluster, question: Question, home: str) -> Answer:
    namespace, needs = home if question.is_home else "", question.needs(home)
    try:
        if question.name:
            return Answer(needs, (await cluster.get(question.resource.path(namespace, question.name)),))
        found, _ = await listed(cluster, Scope(question.resource, namespace, question.labels))
        return Answer(needs, tuple(found.values()))
    except ClusterError as error:
        return Answer(needs) if error.status == 404 else Answer(needs, error=error)


async def _review(cluster: Cluster, right: Right, review: tuple[str, dict[str, Any]]) -> Right:
    plural, who = review
    kind = {"subjectaccessreviews": "SubjectAccessReview"}.get(plural, "SelfSubjectAccessReview")
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": {**who, "resourceAttributes": right.attributes()}}
    try:
        answer = await cluster.request("POST", f"/{_REVIEWS}/{plural}", body)
    except ClusterError as error:
        if error.status == 0:
            raise
        return right
    return replace(right, is_allowed=bool((answer.get("status") or {}).get("allowed")))
