"""What is issued is what RFC 5280 and two independent judges of chains want."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh_injector import certs, reasons
from mesh_injector.errors import ConfigError

AT = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
HOSTS = ["injector.mesh-system.svc", "localhost", "127.0.0.1", "::1"]


def load(pem: bytes) -> x509.Certificate:
    (certificate,) = x509.load_pem_x509_certificates(pem)
    return certificate


def test_the_leaf_names_every_host_once_as_dns_name_or_address() -> None:
    leaf = load(certs.issue([*HOSTS, "localhost"], AT).certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == HOSTS[:2]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]


def test_the_leaf_may_serve_and_nothing_else() -> None:
    leaf = load(certs.issue(HOSTS, AT).certificate)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(ca=False, path_length=None)
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_the_ca_may_sign_leaves_and_no_other_ca() -> None:
    ca = load(certs.issue(HOSTS, AT).ca)
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


def test_the_leaf_points_to_the_key_of_its_ca() -> None:
    pair = certs.issue(HOSTS, AT)
    leaf, ca = load(pair.certificate), load(pair.ca)
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == identifier
    leaf.verify_directly_issued_by(ca)
    ca.verify_directly_issued_by(ca)


def test_both_begin_an_hour_back_and_end_when_asked() -> None:
    pair = certs.issue(HOSTS, AT, valid=timedelta(days=7))
    for certificate in (load(pair.certificate), load(pair.ca)):
        assert certificate.not_valid_before_utc == AT - timedelta(hours=1)
        assert certificate.not_valid_after_utc == AT + timedelta(days=7)


def test_a_time_of_another_zone_is_the_same_time() -> None:
    there = AT.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert certs.expires(certs.issue(HOSTS, there)) == AT + timedelta(days=365)


def test_two_calls_share_neither_serial_nor_key_nor_ca() -> None:
    first, second = certs.issue(HOSTS, AT), certs.issue(HOSTS, AT)
    serials = {load(pem).serial_number for pair in (first, second) for pem in (pair.certificate, pair.ca)}
    assert len(serials) == 4
    assert first.key != second.key
    assert first.ca != second.ca


@pytest.mark.parametrize("host", HOSTS)
def test_an_independent_verifier_accepts_the_chain(host: str) -> None:
    pair = certs.issue(HOSTS, AT)
    subject = x509.IPAddress(ip_address(host)) if ":" in host or host[0].isdigit() else x509.DNSName(host)
    policy = verification.PolicyBuilder().store(verification.Store([load(pair.ca)])).time(AT)
    chain = policy.build_server_verifier(subject).verify(load(pair.certificate), [])
    assert chain == [load(pair.certificate), load(pair.ca)]


@pytest.mark.parametrize("host", ["", "a b", "bücher.example", "[::1]", "host:8443", "-x.svc", "a..b", "*", "a" * 64 + ".svc", "x\n"])
def test_what_is_no_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(ConfigError) as error:
        certs.issue(["localhost", host], AT)
    assert error.value.problem.code == reasons.CERTIFICATE_INVALID
    assert error.value.problem.where == repr(host)


@pytest.mark.parametrize("host", ["*.mesh-system.svc", "Injector.SVC", "a_b.example", "a" * 63])
def test_every_kind_of_host_name_is_accepted(host: str) -> None:
    names = load(certs.issue([host], AT).certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]


def test_a_certificate_for_no_host_is_refused() -> None:
    with pytest.raises(ConfigError, match="no host"):
        certs.issue([], AT)


def test_the_key_is_not_shown_when_a_pair_is_printed() -> None:
    pair = certs.issue(HOSTS, AT)
    assert "PRIVATE" not in repr(pair)
    assert b"PRIVATE" in pair.key
