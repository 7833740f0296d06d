"""An API server over real HTTP, as small as a test needs it: lists by pages, watches, and everything that can go wrong with them."""

import asyncio
import contextlib
import copy
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from mesh_injector.kube import client
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.credentials import Credentials

PLURALS = {"meshes": "Mesh", "configmaps": "ConfigMap", "namespaces": "Namespace", "pods": "Pod"}
VERSIONS = {"Mesh": "mesh-injector.io/v1alpha1"}
KINDS = {kind: plural for plural, kind in PLURALS.items()}


class ApiServer:
    """Objects, their history, and the ways in which it misbehaves."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.history: list[tuple[int, str, str, dict[str, Any]]] = []
        self.version = 100
        self.compacted = 0
        """Watches from an older version than this get a 410."""
        self.asked: Counter[str] = Counter()
        """How often was asked: `list meshes`, `watch meshes`, `get meshes`."""
        self.listing = self.most_listing = 0
        self.forbidden: set[str] = set()
        """Namespaces whose ConfigMaps may not be read."""
        self.gone = False
        """Every watch is answered by 410."""
        self.silent = False
        """Watches are accepted, and nothing more is ever said."""
        self.garbage = b""
        """What every watch says instead of events."""
        self.cut = 0.0
        """Watches are cut after so many seconds."""
        self.hang = False
        """Neither lists nor single objects are answered."""
        self.refused = 0
        """Every request is answered with this status."""
        self._changed = asyncio.Event()
        self.folder = Path()

    def put(self, kind: str, name: str, namespace: str = "", **body: Any) -> dict[str, Any]:
        """Create an object, or change it; a new spec is a new generation."""
        identity = (KINDS[kind], namespace, name)
        old = self.objects.get(identity)
        self.version += 1
        metadata = {
            "name": name,
            "resourceVersion": str(self.version),
            "managedFields": [{"manager": "kubectl"}],
            **body.pop("metadata", {}),
        }
        metadata |= {"namespace": namespace} if namespace else {}
        same_spec = old is not None and old.get("spec") == body.get("spec")
        metadata["generation"] = (old["metadata"]["generation"] + (not same_spec)) if old else 1
        made = {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, **body, "metadata": metadata}
        self.objects[identity] = made
        self._tell("MODIFIED" if old else "ADDED", KINDS[kind], made)
        return made

    def remove(self, kind: str, name: str, namespace: str = "") -> None:
        body = copy.deepcopy(self.objects.pop((KINDS[kind], namespace, name)))
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", KINDS[kind], body)

    def compact(self) -> None:
        """Forget all history."""
        self.compacted = self.version
        self.history.clear()

    def _tell(self, kind: str, plural: str, body: dict[str, Any]) -> None:
        self.history.append((self.version, kind, plural, body))
        self.nudge()

    def nudge(self) -> None:
        """Let watches see what has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.removeprefix("/api/v1/").removeprefix("/apis/mesh-injector.io/v1alpha1/").split("/")
        namespace = parts.pop(1) if parts[0] == "namespaces" and len(parts) > 2 else ""
        if namespace:
            parts.pop(0)
        plural, name = parts[0], parts[1] if len(parts) > 1 else ""
        if self.refused:
            return _status(self.refused, "it will not")
        if plural == "configmaps" and namespace in self.forbidden:
            who = "system:serviceaccount:mesh-system:injector"
            return _status(403, f'configmaps is forbidden: User "{who}" cannot list resource "configmaps" in the namespace "{namespace}"')
        if name:
            self.asked[f"get {plural}"] += 1
            await until(lambda: not self.hang, 60)
            found = self.objects.get((plural, namespace, name))
            return web.json_response(found) if found else _status(404, f'{plural} "{name}" not found')
        if request.query.get("watch"):
            self.asked[f"watch {plural}"] += 1
            return await self._watch(request, plural, namespace)
        self.asked[f"list {plural}"] += 1
        return await self._list(request, plural, namespace)

    async def _list(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        self.listing += 1
        self.most_listing = max(self.most_listing, self.listing)
        try:
            await until(lambda: not self.hang, 60)
            await asyncio.sleep(0.001)
        finally:
            self.listing -= 1
        wanted = [_item(body) for identity, body in self.objects.items() if _is_wanted(request, plural, namespace, identity[0], body)]
        begin, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 1000))
        metadata = {"resourceVersion": str(self.version)} | ({"continue": str(begin + limit)} if begin + limit < len(wanted) else {})
        return web.json_response({"kind": f"{PLURALS[plural]}List", "metadata": metadata, "items": wanted[begin : begin + limit]})

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        version = int(request.query["resourceVersion"])
        if self.gone or version < self.compacted:
            await response.write(
                _line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
            )
            return response
        if self.garbage:
            await response.write(self.garbage)
            return response
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self.cut or None):
                while True:
                    changed = self._changed
                    for at, kind, of, body in () if self.silent else tuple(self.history):
                        if at > version and _is_wanted(request, plural, namespace, of, body):
                            await response.write(_line(kind, body))
                    version = version if self.silent else self.version
                    await changed.wait()
        if request.transport is not None and self.cut:
            request.transport.abort()
        return response


def _is_wanted(request: web.Request, plural: str, namespace: str, of: str, body: dict[str, Any]) -> bool:
    key, _, value = request.query.get("labelSelector", "").partition("=")
    metadata = body["metadata"]
    return of == plural and namespace in ("", metadata.get("namespace")) and (not key or metadata.get("labels", {}).get(key) == value)


def _item(body: dict[str, Any]) -> dict[str, Any]:
    """Items of a list come without version and kind."""
    return {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}


def _line(kind: str, body: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)


@contextlib.asynccontextmanager
async def running(folder: Path, server: ApiServer | None = None, port: int = 0) -> AsyncIterator[tuple[ApiServer, Cluster]]:
    """Such a server, and a client of it made from a kubeconfig."""
    server = server or ApiServer()
    async with serving(server, port) as url:
        server.folder = folder
        async with client.connect(Credentials(str(kubeconfig(folder, url)))) as cluster:
            yield server, cluster


@contextlib.asynccontextmanager
async def serving(server: ApiServer, port: int = 0) -> AsyncIterator[str]:
    """Answer on a port while the block lasts; at its end all connections are cut."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def kubeconfig(folder: Path, url: str) -> Path:
    """Write a kubeconfig whose only context is `tests`."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "me"}}],
    }
    path.write_text(json.dumps(config))
    return path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def until_asked(question: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Ask somebody else until the answer is yes."""
    async with asyncio.timeout(seconds):
        while not await question():  # noqa: ASYNC110 - what is asked may be anything
            await asyncio.sleep(0.01)


async def until(question: Callable[[], object], seconds: float = 20) -> None:
    """Ask until the answer is yes."""
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110 - what is asked may be anything
            await asyncio.sleep(0.005)
