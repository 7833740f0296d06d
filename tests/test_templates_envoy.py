"""A real Envoy reads what the Envoy template brings, answers the kubelet's probe, and is the proxy that its page describes."""

import http.client
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e import processes
from tests.test_templates import app, configuration, injected

FOUND: Final = shutil.which("envoy") or str(Path(__file__).resolve().parents[1] / ".venv" / "bin" / "envoy")
ENVOY: Final = (FOUND, "--disable-hot-restart", "--service-node", "a.b", "--service-cluster", "a")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"outbound": False, "inboundOffset": 0},
        {"xdsHost": "control-plane.mesh.svc"},
        {"xdsHost": 'a "quoted" host: {}', "logLevel": "debug"},
        {"listenAddress": "::"},
    ],
    ids=lambda values: ",".join(values) or "as it is",
)
def test_envoy_accepts_its_bootstrap(tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text(configuration("envoy", injected("envoy", **values)), encoding="utf-8")
    command = [*ENVOY, "--mode", "validate", "--config-path", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, f"configuration '{file}' OK" in done.stdout + done.stderr) == (0, True), done.stderr
    assert "deprecated" not in done.stderr


@pytest.fixture
def origin() -> Iterator[int]:
    """A server that greets whoever asks; its port."""

    class Greeting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(port: int, url: str, tunnel: tuple[str, int] | None = None) -> tuple[int, bytes]:
    """Ask a server on loopback, or through it by CONNECT."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    if tunnel:
        connection.set_tunnel(*tunnel)
    try:
        connection.request("GET", url)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_envoy_is_ready_and_stands_on_both_sides_of_the_pod(tmp_path: Path, origin: int) -> None:
    admin, health, outbound, inbound = processes.free_ports(4)
    values = {"adminPort": admin, "healthPort": health, "outboundPort": outbound, "inboundOffset": inbound - origin}
    pod = app("envoy")
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": origin}]
    file = tmp_path / "envoy.yaml"
    file.write_text(configuration("envoy", injected("envoy", pod, listenAddress="127.0.0.1", **values)), encoding="utf-8")
    with processes.child((*ENVOY, "--config-path", file, "--concurrency", "1"), tmp_path / "envoy.log") as envoy:
        processes.eventually(lambda: "starting main dispatch loop" in envoy.said(), "Envoy runs", while_lives=(envoy,))
        assert get(health, "/ready")[0] == 200
        assert b"envoy_server_live" in get(health, "/stats/prometheus")[1]
        assert get(health, "/quitquitquit")[0] == 404
        assert get(inbound, "/") == (200, b"hello")
        assert get(outbound, f"http://127.0.0.1:{origin}/") == (200, b"hello")
        assert get(outbound, "/", tunnel=("127.0.0.1", origin)) == (200, b"hello")
