"""Whose a Secret is, and what its entries mean."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mesh_injector.certs import rotation
from mesh_injector.certs.pair import Pair
from mesh_injector.certs.rotation import Kept, Seen, Terms, Wish
from mesh_injector.errors import ConfigError
from mesh_injector.kube import secret

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def a_secret(data: Any = None, **annotations: str) -> dict[str, Any]:
    metadata = {"name": "tls", "namespace": "mesh-system", "resourceVersion": "7", "annotations": annotations}
    return {"metadata": metadata, **({"data": data} if data is not None else {})}


MINE = {secret.MANAGED: secret.SELF_MANAGED}


@pytest.mark.parametrize(
    ("body", "is_ours"),
    [
        (a_secret(), True),
        (a_secret({}), True),
        (a_secret({"tls.crt": "YQ=="}, **MINE), True),
        (a_secret({"tls.crt": "YQ=="}), False),
        (a_secret({"other": "YQ=="}), False),
        (a_secret(None, **{"cert-manager.io/certificate-name": "a"}), False),
        (a_secret({"tls.crt": "YQ=="}, **MINE, **{"cert-manager.io/issuer-name": "a"}), False),
    ],
)
def test_a_secret_is_ours_when_it_is_empty_or_says_so_and_is_not_cert_managers(body: dict[str, Any], is_ours: bool) -> None:
    assert secret.is_ours(body) is is_ours


def test_what_is_written_is_read_back_and_entries_and_annotations_of_others_stay() -> None:
    found = rotation.following(Kept(Pair(b"", b"")), Terms(("a.b.svc",)), Seen(NOW, None, Terms(()).overlap))
    assert found is not None
    body = a_secret({"other": "YQ=="}, **MINE, theirs="1", **{secret.RENEW: "ca"})
    written = secret.written(body, found[0])
    assert secret.kept(written) == found[0]
    assert written["data"]["other"] == "YQ=="
    assert written["metadata"]["annotations"] == {**MINE, "theirs": "1"}
    assert written["metadata"]["resourceVersion"] == "7"
    assert secret.wrong(written, NOW) is None


@pytest.mark.parametrize("data", [None, {}, {"tls.crt": "%%%"}, {"tls.crt": 7, "tls.key": None}, [], {"tls.crt": "YQ=="}])
def test_a_secret_without_a_pair_is_told_and_read_as_far_as_it_can_be(data: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        secret.pair(a_secret(data))
    assert "Secret mesh-system/tls" in str(caught.value)
    assert secret.kept(a_secret(data)).pair.key == b""


@pytest.mark.parametrize(("asked", "wish"), [("leaf", Wish.LEAF), ("ca", Wish.CA), ("everything", Wish.NOTHING)])
def test_a_wish_is_one_of_two_words(asked: str, wish: Wish) -> None:
    assert secret.kept(a_secret(**{secret.RENEW: asked})).wish is wish
