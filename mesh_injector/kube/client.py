"""A client of one API server that speaks JSON: requests with a timeout each, watches as lines, and errors that say what to do.

It works without typed models, since those of `kubernetes` know nothing of custom resources and drop fields newer than themselves.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from aiohttp import http_exceptions
from kubernetes.aio import client as kubernetes
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import rest

import mesh_injector
from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem, printable
from mesh_injector.kube import credentials
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.resource import Object

REQUEST_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
JSON: Final = "application/json"
METADATA: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""A list of which only the metadata comes: https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches."""
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A peer that is gone without a word is noticed after 30 s. Not every system has all three."""
_MESSAGE: Final = 300

_USUAL: Final = Credentials()

Query = Mapping[str, str | int]
_Read = TypeVar("_Read")


class Cluster:
    """One API server and the credentials for it."""

    def __init__(self, api: kubernetes.ApiClient, given: Credentials = _USUAL, seconds: float = REQUEST_SECONDS) -> None:
        self.api = api
        """The library's own client, for those of its parts that need it."""
        self._given, self._seconds = given, seconds

    def within(self, seconds: float) -> "Cluster":
        """The same API server over the same connections, asked with another timeout."""
        return Cluster(self.api, self._given, seconds)

    async def request(
        self, method: str, path: str, body: Object | None = None, query: Query | None = None, content_type: str = JSON
    ) -> Object:
        """Ask once, and return the object that comes back. The content type says which patch a PATCH is.

        Raises ClusterError: its `status` is the answer's, or 0 where none came in time.
        """
        timeout = aiohttp.ClientTimeout(total=self._seconds, sock_connect=CONNECT_SECONDS)
        return await self._asked(_Question(method, path, body, query, content_type, timeout=timeout))

    async def get(self, path: str, query: Query | None = None, accept: str = JSON) -> Object:
        """Read one object or list, in a form. Raises ClusterError."""
        timeout = aiohttp.ClientTimeout(total=self._seconds, sock_connect=CONNECT_SECONDS)
        return await self._asked(_Question("GET", path, query=query, accept=accept, timeout=timeout))

    async def _asked(self, question: "_Question") -> Object:
        async with self._answer(question) as response:
            return self._decoded(await self._read(response.read()))

    @contextlib.asynccontextmanager
    async def lines(self, path: str, query: Query, idle_seconds: float) -> AsyncIterator[AsyncIterator[Object]]:
        """Watch: the objects of an answer that has one on each line and need not end.

        Raises ClusterError, also where a line is no object, and where nothing comes for `idle_seconds`.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle_seconds)
        async with self._answer(_Question("GET", path, query=query, timeout=timeout)) as response:
            yield self._each(response)

    async def _each(self, response: aiohttp.ClientResponse) -> AsyncIterator[Object]:
        while line := await self._read(response.content.readline()):
            if line.strip():
                yield self._decoded(line)

    @contextlib.asynccontextmanager
    async def _answer(self, question: "_Question") -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer, whose body is yet to be read."""
        response = await self._read(self._send(question))
        if response.status == 401:  # a plugin of the kubeconfig may have a new token
            response.release()
            await configure(self.api.configuration, self._given)
            response = await self._read(self._send(question))
        async with response:
            if not 200 <= response.status < 300:
                raise self._refused(response.status, await self._read(response.read()), question)
            yield response

    async def _read(self, answer: Awaitable[_Read]) -> _Read:
        """Wait for a part of an answer. Raises ClusterError where it does not come."""
        try:
            return await answer
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error
        except (http_exceptions.HttpProcessingError, ValueError) as error:  # a line of 4 MiB, headers that are none
            raise self._strange() from error

    async def _send(self, question: "_Question") -> aiohttp.ClientResponse:
        parts = await self.api.param_serialize(
            question.method,
            question.path,
            query_params=list((question.query or {}).items()),
            header_params={"Content-Type": question.content_type, "Accept": question.accept},
            body=question.body,
            auth_settings=["BearerToken"],
        )
        answer = await self.api.call_api(*parts, _request_timeout=question.timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    def _decoded(self, data: bytes) -> Object:
        try:
            body = msgspec.json.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise self._strange() from error
        if not isinstance(body, dict):
            raise self._strange()
        return body

    def _unreachable(self, error: Exception) -> ClusterError:
        why = printable(str(error) or type(error).__name__)[:_MESSAGE]
        what = "it does not answer in time" if isinstance(error, TimeoutError) else f"the API server cannot be reached: {why}"
        fix = "check that the cluster runs and that the kubeconfig's context is the right one"
        return ClusterError(Problem(reasons.CLUSTER_UNREACHABLE, what, self.api.configuration.host, fix))

    def _strange(self) -> ClusterError:
        fix = "check that the address is that of an API server"
        return ClusterError(Problem(reasons.CLUSTER_UNREACHABLE, "the answer is no JSON object", self.api.configuration.host, fix), 200)

    def _refused(self, status: int, data: bytes, question: "_Question") -> ClusterError:
        try:
            message = str(msgspec.json.decode(data)["message"])
        except (msgspec.DecodeError, ValueError, RecursionError, LookupError, TypeError):
            message = f"{question.method} {question.path} was answered with HTTP {status}"
        what, host = printable(message)[:_MESSAGE], self.api.configuration.host
        if status in (401, 403):
            return ClusterError(
                Problem(reasons.CLUSTER_FORBIDDEN, what, host, "use credentials that may do it, or have it granted"), status
            )
        return ClusterError(Problem(reasons.CLUSTER_REFUSED, what, host, "the message is the API server's own"), status)


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    path: str
    body: Object | None = None
    query: Query | None = None
    content_type: str = JSON
    accept: str = JSON
    timeout: aiohttp.ClientTimeout = field(default_factory=aiohttp.ClientTimeout)


class _Rest(rest.RESTClientObject):
    """The library's HTTP client, with as many connections as there are watches, and connections that notice a peer which is gone."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=0, ssl=self.ssl_context, socket_factory=_socket)


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if option := getattr(socket, name, None):
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


@contextlib.asynccontextmanager
async def connect(given: Credentials = _USUAL) -> AsyncIterator[Cluster]:
    """A client while the block lasts. Nothing is sent yet.

    Raises ClusterError where the kubeconfig cannot be used, or there is none and this is no pod.
    """
    configuration = kubernetes.Configuration()
    await configure(configuration, given)
    api = kubernetes.ApiClient(configuration)
    api.rest_client = _Rest(configuration)
    api.user_agent = f"mesh-injector/{mesh_injector.__version__}"
    async with api:
        yield Cluster(api, given)


async def configure(configuration: kubernetes.Configuration, given: Credentials) -> None:
    """Read address and credentials. Raises ClusterError."""
    path = credentials.kubeconfig(given)
    if path and (wrong := credentials.wrong(path)):
        raise _no_cluster(*wrong)
    try:
        if path:
            load = functools.partial(kubernetes_config.load_kube_config, persist_config=False)
            async with asyncio.timeout(REQUEST_SECONDS):
                await load(path, given.context or None, configuration)
        else:
            kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except Exception as error:  # a kubeconfig of the wrong shape, or a plugin that fails, may raise anything
        raise _no_cluster(printable(str(error) or type(error).__name__)[:_MESSAGE], path or str(credentials.TOKEN)) from error


def _no_cluster(why: str, where: str) -> ClusterError:
    fix = "name a kubeconfig by --kubeconfig and its context by --context"
    return ClusterError(Problem(reasons.CLUSTER_UNREACHABLE, f"no cluster can be found there: {why}", where, fix))
