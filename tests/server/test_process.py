"""The life of a server: ready, changed while it serves, drained, and the reasons for which it does not start."""

import asyncio
import base64
import contextlib
import io
import json
import re
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from mesh_injector import certs
from mesh_injector.errors import ConfigError
from mesh_injector.metrics import Metrics
from mesh_injector.server import Limits, Options, listener, process
from mesh_injector.server.app import Readiness, health

HOST = "127.0.0.1"
Sample = Callable[[str], dict[str, Any]]
Serve = Callable[[Options], AbstractContextManager[Any]]
Eventually = Callable[[Callable[[], object]], None]


def write(pair: certs.Pair, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", pair.ca)):
        (folder / name).write_bytes(content)


def issue(*, age: timedelta = timedelta()) -> certs.Pair:
    return certs.issue([HOST], datetime.now(UTC) - age, valid=timedelta(days=1))


READY = b"[+]source ok\n[+]server ok\n[+]certificate ok\nreadyz check passed\n"


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def health_client(readiness: Readiness) -> TestClient:
    return TestClient(health(readiness, Metrics("1.0")), follow_redirects=False)


def test_the_health_port_says_what_is_missing_until_nothing_is(readiness: Readiness, health_client: TestClient) -> None:
    waiting = health_client.get("/readyz")
    assert (waiting.status_code, waiting.text.splitlines()) == (
        503,
        [
            "[-]source not ready: it has not been read yet",
            "[-]server not ready: it does not accept reviews yet",
            "[+]certificate ok",
            "readyz check failed",
        ],
    )
    readiness.missing = {"source": "", "server": ""}
    assert (health_client.get("/readyz").status_code, health_client.get("/readyz").content) == (200, READY)
    assert health_client.get("/livez").status_code == 200


def test_a_certificate_that_has_expired_makes_it_unready_and_not_dead(readiness: Readiness, health_client: TestClient) -> None:
    readiness.missing = {"source": "", "server": ""}
    readiness.certificate_expires = datetime(2020, 1, 1, tzinfo=UTC)
    answer = health_client.get("/readyz")
    assert (answer.status_code, answer.text.splitlines()[2]) == (503, "[-]certificate not ready: it expired at 2020-01-01T00:00:00Z")
    assert health_client.get("/livez").status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/readyz/", "/metrics/"])
def test_the_health_port_has_nothing_else_and_never_redirects(health_client: TestClient, path: str) -> None:
    assert health_client.get(path).status_code == 404


def test_a_running_server_is_ready(client: Any) -> None:
    assert (client.readyz().status, client.readyz().body) == (200, READY)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_self_signed_certificate_verifies_against_the_ca_that_is_offered(client: Any, host: str) -> None:
    context = ssl.create_default_context(cadata=client.addresses.ca.decode())
    with socket.create_connection((HOST, client.connection.port)) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        assert tls.version() == "TLSv1.3"


def test_a_self_signed_certificate_names_the_service(client: Any) -> None:
    context = ssl.create_default_context(cadata=client.addresses.ca.decode())
    with (
        socket.create_connection((HOST, client.connection.port)) as raw,
        context.wrap_socket(raw, server_hostname="mesh-injector.mesh-system.svc"),
    ):
        pass


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    """Nagle's algorithm would hold back the second part of each answer for the 40 ms of a delayed ACK."""
    with (
        listener.bind(HOST, 0, "--port") as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_change_of_the_source_is_live(serve: Serve, options: Options, source: Path, sample: Sample, eventually: Eventually) -> None:
    with serve(options) as client:
        assert client.review(sample("deployment"))["auditAnnotations"]["reason"] == "Injected"
        (source / "mesh.yaml").write_text((source / "mesh.yaml").read_text().replace("enableAutoInject: true", "enableAutoInject: false"))
        eventually(lambda: client.review(sample("deployment"))["auditAnnotations"]["reason"] == "AutoInjectOff")


BREAK: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "half a file": (lambda text: text[:60] + b": [", r"MI101 .* where=\S+mesh.yaml:"),
    "no UTF-8": (lambda _: b"\xff", r"MI106 .* where=\S+mesh.yaml:1"),
    "a wrong field": (lambda text: text.replace(b"region:", b"regoin:"), r"MI103 .*regoin.* where=\S+mesh.yaml:"),
    "a wrong template": (lambda text: text.replace(b"{{ app_ports }}", b"{{ app_ports"), r"MI301 .* where=.*mesh.yaml:"),
    "a template that names what there is not": (
        lambda text: text.replace(b"app_ports", b"app_port"),
        r"MI302 .*app_port.* where=.*mesh.yaml:",
    ),
    "nothing": (lambda _: None, r"MI105 .* where=\S+source"),
}


@pytest.mark.parametrize(("change", "told"), BREAK.values(), ids=BREAK.keys())
def test_a_broken_change_is_told_and_leaves_the_last_good_mesh_serving(
    serve: Serve,
    options: Options,
    source: Path,
    sample: Sample,
    eventually: Eventually,
    log: io.StringIO,
    change: Callable[[bytes], bytes | None],
    told: str,
) -> None:
    file, before = source / "mesh.yaml", len(log.getvalue())
    with serve(options) as client:
        changed = change(file.read_bytes())
        file.unlink() if changed is None else file.write_bytes(changed)
        eventually(lambda: client.readyz() and "code=" in log.getvalue()[before:])
        assert client.review(sample("deployment"))["auditAnnotations"]["reason"] == "Injected"
        assert client.readyz().status == 200
    assert re.search(f"problem +code={told}", log.getvalue()[before:]), log.getvalue()[before:]


def test_a_file_that_cannot_be_read_takes_no_mesh_away_while_another_changes(
    serve: Serve, options: Options, source: Path, sample: Sample, eventually: Eventually, log: io.StringIO
) -> None:
    before = len(log.getvalue())
    with serve(options) as client:
        (source / "mesh.yaml").write_bytes(b"\xff")
        (source / "namespaces.yaml").write_text(
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {mesh-injector.io/inject: disabled}}\n"
        )
        eventually(lambda: client.review(sample("deployment"))["auditAnnotations"]["reason"] == "OptedOutByNamespace")
    assert "meshes=0" not in log.getvalue()[before:]


def test_what_is_loaded_is_told(serve: Serve, options: Options, source: Path, log: io.StringIO) -> None:
    (source / "other.yaml").write_text(
        "apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {name: broken}\nspec: {enableAutoInjekt: true}\n"
    )
    before = len(log.getvalue())
    with serve(options):
        told = log.getvalue()[before:]
    assert "meshes=1 problems=1 templates=1" in told
    assert re.search(r"code=MI103 .*enableAutoInjekt.* where=\S+other.yaml:4:", told)


def presented(client: Any, ca: bytes) -> bool:
    """Whether a new connection finds a certificate that this CA has signed."""
    context = ssl.create_default_context(cadata=ca.decode())
    with socket.create_connection((HOST, client.connection.port), timeout=10) as raw:
        try:
            context.wrap_socket(raw, server_hostname=HOST).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_a_certificate_that_is_swapped_by_a_link_is_live_and_a_broken_one_is_not(
    serve: Serve, options: Options, tmp_path: Path, sample: Sample, eventually: Eventually, log: io.StringIO
) -> None:
    tls, old, new = tmp_path / "tls", issue(), issue()
    tls.mkdir()
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tls / name).symlink_to(Path("..data", name))
    versions = {"old": old, "new": new, "mixed": replace(new, certificate=old.certificate), "late": issue(age=timedelta(days=2))}
    for name, pair in versions.items():
        write(pair, tls / name)

    def swap(name: str) -> None:
        (tls / "next").symlink_to(name)
        (tls / "next").rename(tls / "..data")

    swap("old")
    with serve(replace(options, tls_dir=tls, limits=Limits(certificate_seconds=0.05))) as client:
        assert client.addresses.ca == old.ca
        client.review(sample("deployment"))
        swap("new")
        eventually(lambda: presented(client, new.ca))
        swap("mixed")
        eventually(lambda: client.readyz() and "the key does not belong" in log.getvalue())
        assert presented(client, new.ca)
        swap("late")
        eventually(lambda: client.readyz() and "the certificate expired at" in log.getvalue())
        assert presented(client, new.ca)
        assert client.review(sample("deployment"))["allowed"], "the connection from before is still there"


@pytest.fixture
def child(start: Any, source: Path, tmp_path: Path) -> Iterator[Any]:
    pair = issue()
    write(pair, tmp_path / "tls")
    with start(source, tmp_path / "tls", pair.ca) as started:
        yield started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_with_success(child: Any, number: signal.Signals) -> None:
    child.process.send_signal(number)
    _, told = child.process.communicate(timeout=20)
    assert (child.process.returncode, "Traceback" in told) == (0, False)


def test_a_signal_makes_it_unready_and_open_reviews_are_finished(child: Any, eventually: Eventually) -> None:
    with contextlib.closing(child.begin()) as connection:
        child.process.terminate()
        eventually(lambda: b"[-]server not ready: it is stopping\n" in child.readyz()[1])
        eventually(child.is_closed)
        connection.send(b" " * 100)
        answer = connection.sock.recv(1000)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in answer
    _, told = child.process.communicate(timeout=20)
    assert (child.process.returncode, "Traceback" in told) == (0, False)


def test_after_sigterm_it_goes_on_accepting_and_lets_go_of_each_client(
    start: Any, source: Path, tmp_path: Path, sample: Sample, eventually: Eventually
) -> None:
    pair = issue()
    write(pair, tmp_path / "tls")
    with start(source, tmp_path / "tls", pair.ca, leave_seconds=60) as child, contextlib.closing(child.connect()) as kept:
        headers = {"Content-Type": "application/json"}
        kept.request("POST", "/mutate", json.dumps(sample("deployment")), headers)
        assert kept.getresponse().read()
        child.process.terminate()
        eventually(lambda: child.readyz()[0] == 503)
        for connection in (kept, *(child.connect() for _ in range(50))):  # for much longer than it takes to stop
            with contextlib.closing(connection):
                connection.request("POST", "/mutate", json.dumps(sample("deployment")), headers)
                response = connection.getresponse()
                assert (response.status, response.headers["Connection"]) == (200, "close")
                assert json.loads(response.read())["response"]["patchType"] == "JSONPatch"
        child.process.send_signal(signal.SIGINT)  # a second signal of either kind does not wait
        assert child.process.wait(5) == 128 + signal.SIGINT


def test_sighup_reads_the_source_anew_and_ends_nothing(child: Any, source: Path, sample: Sample, eventually: Eventually) -> None:
    (source / "mesh.yaml").write_text((source / "mesh.yaml").read_text().replace("envoy:v1", "envoy:v2"))
    child.process.send_signal(signal.SIGHUP)
    with contextlib.closing(child.connect()) as connection:

        def patch() -> bytes:
            connection.request("POST", "/mutate", json.dumps(sample("deployment")), {"Content-Type": "application/json"})
            return base64.b64decode(json.loads(connection.getresponse().read())["response"]["patch"])

        eventually(lambda: b"envoy:v2" in patch())
    child.process.terminate()
    _, told = child.process.communicate(timeout=20)
    assert "as SIGHUP asks" in told
    assert child.process.returncode == 0


def test_what_a_server_counts_can_be_scraped(serve: Serve, options: Options, source: Path, sample: Sample, eventually: Eventually) -> None:
    with serve(options) as client:
        client.review(sample("deployment"))
        client.review(sample("bare-pod"))
        client.post(b"{}")
        text = client.get("/metrics").body.decode()
        assert 'outcome="injected",reason="Injected"} 1.0' in text
        assert 'mesh="mesh-system/payments",mode="Enforce",outcome="refused",reason="VirtualNodeLabelMissing"} 1.0' in text
        assert "mesh_injector_admission_requests_in_flight 0.0" in text
        assert 'mesh_injector_meshes{auto_inject="true",ready="true"} 1.0' in text
        assert 'mesh_injector_template_valid{mesh="mesh-system/payments"} 1.0' in text
        (source / "mesh.yaml").write_text((source / "mesh.yaml").read_text().replace("{{ app_ports }}", "{{ app_ports"))
        eventually(lambda: b'template_valid{mesh="mesh-system/payments"} 0.0' in client.get("/metrics").body)
        text = client.get("/metrics").body.decode()
        assert 'mesh_injector_template_reloads_total{mesh="mesh-system/payments",result="failure"} 1.0' in text
        assert 'mesh_injector_meshes{auto_inject="true",ready="false"} 1.0' in text


def test_a_second_signal_does_not_wait(child: Any, eventually: Eventually) -> None:
    with contextlib.closing(child.begin()):
        child.process.terminate()
        eventually(lambda: child.readyz()[0] == 503)
        child.process.terminate()
        assert child.process.wait(5) == 128 + signal.SIGTERM


def test_a_closed_standard_error_costs_no_answer(child: Any, sample: Sample) -> None:
    assert child.process.stderr
    child.process.stderr.close()
    with contextlib.closing(child.connect()) as connection:
        for _ in range(3):
            connection.request("POST", "/mutate", json.dumps(sample("bare-pod")), {"Content-Type": "application/json"})
            response = connection.getresponse()
            assert (response.status, json.loads(response.read())["response"]["allowed"]) == (200, False)


def why_not(options: Options) -> str:
    """What is told by a server that does not start."""

    async def start() -> None:
        async with process.running(options):
            pass

    with pytest.raises(ConfigError) as caught:
        asyncio.run(start())
    return str(caught.value)


@pytest.mark.parametrize(("port", "flag"), [("port", "--port"), ("health_port", "--health-port")])
def test_a_port_in_use_is_told_with_its_flag(options: Options, port: str, flag: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        number = other.getsockname()[1]
        told = why_not(replace(options, **{port: number}))
    assert told.startswith("[MI602] the server cannot listen there (Address already in use)")
    assert f"{HOST}:{number}" in told
    assert flag in told


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.1", 0), (HOST, 70000), ("a" * 70 + ".b", 0)])
def test_an_address_that_cannot_be_used_is_told(options: Options, host: str, port: int) -> None:
    told = why_not(replace(options, host=host, port=port))
    assert re.match(r"\[MI60[12]\] ", told)
    assert "; choose another" in told or "; write a DNS name" in told


def test_a_certificate_that_cannot_be_used_is_told_with_its_file(options: Options, tmp_path: Path) -> None:
    write(replace(issue(), key=issue().key), tmp_path / "tls")
    assert f"at {tmp_path / 'tls'}/tls.key" in why_not(replace(options, tls_dir=tmp_path / "tls"))
    assert "cannot be read" in why_not(replace(options, tls_dir=tmp_path / "missing"))


def test_a_source_that_cannot_be_read_is_told_with_its_path(options: Options, tmp_path: Path) -> None:
    assert str(tmp_path / "missing") in why_not(replace(options, sources=(str(tmp_path / "missing"),)))


def test_standard_input_cannot_be_served(options: Options) -> None:
    assert "standard input" in why_not(replace(options, sources=("-",)))


def test_a_server_that_does_not_start_leaves_no_port_behind(options: Options, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        number = other.getsockname()[1]
    for _ in range(2):
        assert "missing" in why_not(replace(options, port=number, sources=(str(tmp_path / "missing"),)))


def test_an_ipv6_host_is_written_in_brackets() -> None:
    with listener.bind(HOST, 0, "--port") as port:
        number = port.getsockname()[1]
        addresses = process._addresses("::1", port, port, b"")
    assert (addresses.mutate, addresses.health) == (f"https://[::1]:{number}/mutate", f"http://[::1]:{number}")
