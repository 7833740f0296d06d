"""The client finds a cluster as kubectl does, sends what it is told, and says of each failure what to do."""

import asyncio
import functools
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mesh_injector.cli import exits
from mesh_injector.errors import ClusterError
from mesh_injector.kube import client, credentials
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.resource import CONFIG_MAPS, MESHES, NAMESPACES, PODS
from tests.kube import fake
from tests.kube.fake import ApiServer


def error_of(folder: Path, url: str, seconds: float = 5) -> ClusterError:
    """What a GET of a list fails with."""

    async def scenario() -> None:
        async with client.connect(Credentials(str(fake.kubeconfig(folder, url)))) as cluster:
            await cluster.within(seconds).get(MESHES.path())

    with pytest.raises(ClusterError) as caught:
        asyncio.run(scenario())
    assert exits.report(caught.value) == exits.NO_CLUSTER
    return caught.value


def answering(folder: Path, answer: Callable[[web.Request], web.Response], seconds: float = 5) -> ClusterError:
    """What a GET fails with where every request gets this answer."""

    class Strange(ApiServer):
        async def answer(self, request: web.Request) -> web.StreamResponse:
            return answer(request)

    async def scenario() -> None:
        async with fake.running(folder, Strange()) as (_, cluster):
            await cluster.within(seconds).get(MESHES.path())

    with pytest.raises(ClusterError) as caught:
        asyncio.run(scenario())
    return caught.value


def test_paths_are_those_of_the_api_and_what_is_no_name_never_gets_into_one() -> None:
    assert MESHES.path() == "/apis/mesh-injector.io/v1alpha1/meshes"
    assert MESHES.path("a", "b", "status") == "/apis/mesh-injector.io/v1alpha1/namespaces/a/meshes/b/status"
    assert CONFIG_MAPS.path("a") == "/api/v1/namespaces/a/configmaps"
    assert NAMESPACES.path("", "a.b") == "/api/v1/namespaces/a.b"
    assert (MESHES.api_version, PODS.api_version) == ("mesh-injector.io/v1alpha1", "v1")
    for name in ("..", ".", "a/../b", "a/b", "%2e%2e", "a b", "A", "a\n", "x" * 254, "?watch=1"):
        with pytest.raises(ValueError, match="no name"):
            PODS.path("shop", name)
        with pytest.raises(ValueError, match="no name"):
            PODS.path(name)


def test_bodies_and_queries_arrive_as_they_were_given_with_token_and_content_type(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    class Recording(ApiServer):
        async def answer(self, request: web.Request) -> web.StreamResponse:
            seen.update(method=request.method, path=request.path, query=dict(request.query), headers=dict(request.headers))
            seen["body"] = await request.json()
            return web.json_response({"kind": "Ok"})

    async def scenario() -> None:
        async with fake.running(tmp_path, Recording()) as (_, cluster):
            body = {"spec": {"list": [1, None, "ü"], "empty": {}}}
            query = {"fieldManager": "us & them", "force": "true"}
            assert await cluster.request("PATCH", MESHES.path("a", "b"), body, query, client.APPLY) == {"kind": "Ok"}
            assert (seen["body"], seen["query"], seen["path"]) == (body, query, MESHES.path("a", "b"))
            assert seen["headers"]["Content-Type"] == "application/apply-patch+yaml"
            assert seen["headers"]["Authorization"] == "Bearer secret"
            assert seen["headers"]["User-Agent"].startswith("mesh-injector/")

    asyncio.run(scenario())


def test_a_server_that_is_not_there_does_not_answer_or_answers_nonsense_is_told_with_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gone = error_of(tmp_path, f"http://127.0.0.1:{port}")
    assert (gone.status, gone.problem.code, gone.problem.where) == (0, "MI801", f"http://127.0.0.1:{port}")
    assert "--context" in gone.problem.fix or "context" in gone.problem.fix
    with socket.create_server(("127.0.0.1", 0)) as mute:
        slow = error_of(tmp_path, f"http://127.0.0.1:{mute.getsockname()[1]}", seconds=0.1)
    assert (slow.status, slow.problem.what) == (0, "it does not answer in time")
    for body in (b"<html>", b"[]", b"", b"[" * 100_000):
        assert answering(tmp_path, functools.partial(_body, body)).problem.what == "the answer is no JSON object"


def _body(body: bytes, _request: web.Request) -> web.Response:
    return web.Response(body=body)


def test_what_the_api_server_refuses_is_told_in_its_words_without_what_a_terminal_would_obey(tmp_path: Path) -> None:
    def refusing(status: int, text: str) -> ClusterError:
        return answering(tmp_path, lambda _: web.Response(status=status, text=text))

    forbidden = refusing(403, json.dumps({"message": 'User "x" cannot\x1b[31m list'}))
    assert (forbidden.status, forbidden.problem.code, forbidden.problem.what) == (403, "MI802", 'User "x" cannot·[31m list')
    assert refusing(401, "{}").problem.code == "MI802"
    conflict = refusing(409, json.dumps({"message": "the object has been modified"}))
    assert (conflict.status, conflict.problem.code) == (409, "MI803")
    assert refusing(500, "no JSON").problem.what == f"GET {MESHES.path()} was answered with HTTP 500"
    assert len(refusing(500, json.dumps({"message": "x" * 5000})).problem.what) == 300


def test_after_a_401_the_kubeconfig_is_read_again_once(tmp_path: Path) -> None:
    tokens = []

    class Expiring(ApiServer):
        async def answer(self, request: web.Request) -> web.StreamResponse:
            tokens.append(request.headers["Authorization"])
            return web.json_response({}, status=200 if tokens[-1] == "Bearer new" else 401)

    async def scenario() -> None:
        async with fake.running(tmp_path, Expiring()) as (_, cluster):
            path = tmp_path / "kubeconfig"
            path.write_text(path.read_text().replace("secret", "new"))
            assert await cluster.get(MESHES.path()) == {}
            assert await cluster.get(MESHES.path()) == {}

    asyncio.run(scenario())
    assert tokens == ["Bearer secret", "Bearer new", "Bearer new"]


def test_a_kubeconfig_that_cannot_be_used_is_told_with_its_path(tmp_path: Path) -> None:
    def told(given: Credentials) -> str:
        async def scenario() -> None:
            async with client.connect(given):
                pass

        with pytest.raises(ClusterError) as caught:
            asyncio.run(scenario())
        assert caught.value.problem.code == "MI801"
        return str(caught.value)

    good = fake.kubeconfig(tmp_path, "http://127.0.0.1:1")
    assert "there is no such file" in told(Credentials(str(tmp_path / "none")))
    assert "other" in told(Credentials(str(good), "other"))
    bad = tmp_path / "bad"
    for text in ("", "[]", "{", "clusters: 7\ncurrent-context: x\n", "\x00"):
        bad.write_text(text)
        assert str(bad) in told(Credentials(str(bad)))
    for body, what in (
        (b"just a text", "it is no kubeconfig, which is a mapping"),
        (b"- a\n", "it is no kubeconfig, which is a mapping"),
        (b"users: s3cret\nclusters: [s3cret\n", "it is no kubeconfig: a bracket is opened here and not closed"),
        (b"\xff\xfe", "it is not UTF-8"),
    ):
        bad.write_bytes(body)
        said = told(Credentials(f"{tmp_path / 'none'}:{bad}"))
        assert (what in said, "s3cret" in said) == (True, False), said
    assert f"{bad}:2:11" in (bad.write_text("users: []\nclusters: [s3cret\n"), told(Credentials(str(bad))))[1]
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(credentials.LIMIT_BYTES + 1)
    for name, what in (
        ("loop", "it cannot be read"),
        ("pipe", "it is no regular file"),
        ("large", "it is larger than 8 MiB"),
        ("", "it is a folder"),
    ):
        assert f"{what}" in told(Credentials(str(tmp_path / name)))


def test_the_kubeconfig_is_found_as_kubectl_finds_it_and_the_pods_own_account_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    usual = tmp_path / ".kube" / "config"
    assert credentials.kubeconfig(Credentials()) == str(usual)
    token = tmp_path / "token"
    token.write_text("x")
    monkeypatch.setattr(credentials, "TOKEN", token)
    assert (credentials.in_pod(), credentials.kubeconfig(Credentials())) == (True, "")
    assert credentials.kubeconfig(Credentials(context="other")) == str(usual)
    usual.parent.mkdir()
    usual.write_text("x")
    assert credentials.kubeconfig(Credentials()) == str(usual)
    monkeypatch.setenv("KUBECONFIG", "a:b")
    assert credentials.kubeconfig(Credentials()) == "a:b"
    assert credentials.kubeconfig(Credentials("mine")) == "mine"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not credentials.in_pod()


def test_connections_notice_a_peer_that_is_gone_without_a_word(tmp_path: Path) -> None:
    async def scenario() -> None:
        query = {"watch": "true", "resourceVersion": "100"}
        async with fake.running(tmp_path) as (_, cluster), cluster.lines(MESHES.path(), query, 5):
            session: Any = cluster.api.rest_client.pool_manager
            (held,) = session.connector._acquired
            raw = held.transport.get_extra_info("socket")
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15

    asyncio.run(scenario())
