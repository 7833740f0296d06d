"""What a server does with a certificate that it is offered: a good one serves when it is trusted, a bad one never."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mesh_injector import certs
from mesh_injector.certs import authority, bundle
from mesh_injector.certs.pair import Pair
from mesh_injector.metrics import Metrics
from mesh_injector.server.app import Readiness
from mesh_injector.server.certificate import Certificate, FromSecret

NOW = datetime.now(UTC)
HOST = "a.b.svc"
OLD, NEW = (certs.issue([HOST], NOW, valid=timedelta(days=days)) for days in (1, 2))


def a_secret(pair: Pair) -> dict[str, Any]:
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.ca}
    encoded = {name: base64.b64encode(content).decode() for name, content in data.items()}
    return {"metadata": {"name": "tls", "namespace": "mesh-system"}, "data": encoded}


def run(story: Callable[[Certificate, Readiness, Metrics], Any], overlap: float = 60) -> None:
    async def told() -> None:
        readiness, metrics = Readiness(), Metrics("1")
        await story(Certificate(certs.context(None), metrics, readiness, overlap), readiness, metrics)

    asyncio.run(told())


def test_the_first_pair_serves_at_once_and_one_of_the_same_ca_too() -> None:
    async def story(certificate: Certificate, *_: Any) -> None:
        ca = authority.authority(NOW, timedelta(days=9))
        for days in (1, 2):
            pair = authority.sign(ca, [HOST], NOW, timedelta(days=days))
            certificate.offer(pair)
            assert certificate.pair == pair

    run(story)


def test_a_pair_of_another_ca_waits_while_both_cas_are_told() -> None:
    async def story(certificate: Certificate, *_: Any) -> None:
        served = asyncio.Event()
        certificate.offer(OLD)
        certificate.listeners.append(lambda: served.set() if certificate.pair == NEW else None)
        certificate.offer(NEW)
        assert certificate.pair == OLD
        assert certificate.ca == bundle.joined(OLD.ca, NEW.ca)
        await asyncio.wait_for(served.wait(), 10)
        assert certificate.ca == NEW.ca

    run(story, overlap=0.2)


def test_a_pair_that_is_taken_back_while_it_waits_never_serves() -> None:
    async def story(certificate: Certificate, *_: Any) -> None:
        certificate.offer(OLD)
        certificate.offer(NEW)
        certificate.offer(OLD)
        assert (certificate.pair, certificate.ca) == (OLD, OLD.ca)

    run(story)


def test_a_broken_or_missing_secret_leaves_the_last_good_pair_and_is_counted_once() -> None:
    async def story(certificate: Certificate, readiness: Readiness, metrics: Metrics) -> None:
        listener = FromSecret(certificate, readiness, "Secret mesh-system/tls")
        assert "has not been read yet" in readiness.conditions(NOW)["certificate"]
        listener.changed(("", ""), {"metadata": {"name": "tls", "namespace": "mesh-system"}})
        assert "has no tls.crt" in readiness.conditions(NOW)["certificate"]
        listener.changed(("", ""), a_secret(OLD))
        assert readiness.conditions(NOW)["certificate"] == ""
        broken = Pair(NEW.certificate, OLD.key, NEW.ca)
        for body in (a_secret(broken), a_secret(broken), None, {**a_secret(OLD), "data": None}):
            listener.changed(("", ""), body)
            assert certificate.pair == OLD
        text = metrics.text("")[0].decode()
        assert 'certificate_reloads_total{result="failure"} 3.0' in text
        assert 'certificate_reloads_total{result="success"} 1.0' in text
        assert "certificate_authority_expiry_timestamp_seconds " in text

    run(story)


@pytest.mark.parametrize("overlap", [0.0, 60.0])
def test_nothing_is_waited_for_where_the_old_pair_is_over(overlap: float) -> None:
    async def story(certificate: Certificate, *_: Any) -> None:
        certificate.in_force(certs.issue([HOST], NOW - timedelta(days=9), valid=timedelta(days=1)))
        certificate.offer(NEW)
        assert certificate.pair == NEW

    run(story, overlap)
