"""Would an API server trust a certificate: names, times and chains, each of which alone is not enough."""

from datetime import UTC, datetime, timedelta

import pytest

from mesh_injector import certs
from mesh_injector.certs import trust

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HOST = "mesh-injector.mesh-system.svc"
PAIR = certs.issue([HOST], NOW)
OTHER = certs.issue([HOST], NOW)


def test_a_certificate_is_trusted_by_a_bundle_that_holds_its_ca_among_others() -> None:
    assert trust.distrust(PAIR.certificate, OTHER.ca + PAIR.ca, HOST, NOW) == ""
    assert trust.distrust(PAIR.certificate, PAIR.certificate, HOST, NOW) == ""  # as in Go, any certificate of it is an anchor
    assert trust.distrust(certs.issue(["*.mesh-system.svc"], NOW).certificate, PAIR.ca, HOST, NOW).startswith("no CA")


@pytest.mark.parametrize(
    ("served", "bundle", "host", "at", "why"),
    [
        (PAIR.certificate, OTHER.ca, HOST, NOW, "no CA of the bundle has signed it"),
        (PAIR.certificate, PAIR.ca, "other.mesh-system.svc", NOW, "it is not for other.mesh-system.svc"),
        (PAIR.certificate, PAIR.ca, HOST, NOW + timedelta(days=400), "it is expired or not yet valid"),
        (
            PAIR.certificate,
            certs.issue([HOST], NOW - timedelta(days=900)).ca,
            HOST,
            NOW,
            "every CA of the bundle is expired or not yet valid",
        ),
    ],
)
def test_it_is_not_trusted_for_another_name_time_or_ca(served: bytes, bundle: bytes, host: str, at: datetime, why: str) -> None:
    assert trust.distrust(served, bundle, host, at) == why


@pytest.mark.parametrize(("served", "bundle"), [(b"", PAIR.ca), (PAIR.certificate, b"garbage")])
def test_what_is_no_certificate_is_an_error(served: bytes, bundle: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        trust.distrust(served, bundle, HOST, NOW)
