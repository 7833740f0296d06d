"""A pair that could not serve is refused before it does, with the file and the fix."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from mesh_injector import certs, reasons
from mesh_injector.errors import ConfigError, Problem

AT = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PAIR = certs.issue(["injector.mesh-system.svc"], AT, valid=timedelta(days=10))


def refused(pair: certs.Pair, at: datetime = AT) -> Problem:
    with pytest.raises(ConfigError) as error:
        certs.check(pair, at)
    assert error.value.problem.code == reasons.CERTIFICATE_INVALID
    assert error.value.problem.fix
    return error.value.problem


def nameless(*extensions: x509.ExtensionType) -> certs.Pair:
    """A self-signed pair with a common name alone, as in the days before Kubernetes 1.23."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "injector.mesh-system.svc")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(AT - SECOND).not_valid_after(AT + SECOND)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certs.Pair(builder.sign(key, hashes.SHA256()).public_bytes(pem), private)


def encrypted(pair: certs.Pair) -> certs.Pair:
    key = serialization.load_pem_private_key(pair.key, None)
    cipher = serialization.BestAvailableEncryption(b"secret")
    return replace(pair, key=key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))


def test_what_we_issue_is_good_from_an_hour_back_to_its_end() -> None:
    for at in (AT - timedelta(hours=1), AT, AT + timedelta(days=10)):
        certs.check(PAIR, at)


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_a_pair_of_another_authority_is_good_with_either_kind_of_key(kind: trustme.KeyType) -> None:
    authority = trustme.CA(key_type=kind)
    issued = authority.issue_cert("injector.mesh-system.svc", key_type=kind)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    certs.check(certs.Pair(chain, issued.private_key_pem.bytes(), authority.cert_pem.bytes()), datetime.now(UTC))


def test_the_end_of_life_is_told_in_utc() -> None:
    assert certs.expires(PAIR) == AT + timedelta(days=10)
    assert certs.expires(PAIR).utcoffset() == timedelta(0)


def test_the_end_of_life_is_that_of_the_first_certificate() -> None:
    later = certs.issue(["other"], AT, valid=timedelta(days=99))
    assert certs.expires(replace(PAIR, certificate=PAIR.certificate + later.certificate)) == certs.expires(PAIR)


def test_the_end_of_life_of_no_certificate_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"at tls\.crt"):
        certs.expires(certs.Pair(b"", b""))


def test_an_expired_certificate_is_refused_with_the_time() -> None:
    problem = refused(PAIR, AT + timedelta(days=10) + SECOND)
    assert (problem.where, problem.what) == ("tls.crt", "the certificate expired at 2031-05-16T07:08:09Z")


def test_a_certificate_that_is_not_yet_valid_is_refused_with_both_times() -> None:
    problem = refused(PAIR, AT - timedelta(hours=1) - SECOND)
    assert problem.what == "the certificate is not valid before 2031-05-06T06:08:09Z"
    assert "2031-05-06T06:08:08Z" in problem.fix


@pytest.mark.parametrize("broken", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", PAIR.key])
def test_what_is_no_certificate_is_refused_with_its_file(broken: bytes) -> None:
    assert refused(replace(PAIR, certificate=broken)).where == "tls.crt"
    assert refused(replace(PAIR, ca=broken or b" ")).where == "ca.crt"


def test_a_pair_without_a_ca_is_good() -> None:
    certs.check(replace(PAIR, ca=b""), AT)


@pytest.mark.parametrize("broken", [b"", b"nonsense", PAIR.certificate, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(broken: bytes) -> None:
    problem = refused(replace(PAIR, key=broken))
    assert (problem.where, problem.what) == ("tls.key", "the file holds no private key in PEM")


def test_an_encrypted_key_is_refused_with_the_command_that_opens_it() -> None:
    problem = refused(encrypted(PAIR))
    assert (problem.where, problem.what) == ("tls.key", "the key is encrypted")
    assert "openssl pkey" in problem.fix


def test_the_key_of_another_certificate_is_refused() -> None:
    assert "does not belong" in refused(replace(PAIR, key=certs.issue(["x"], AT).key)).what


def test_a_certificate_with_a_kind_of_key_that_nobody_knows_is_refused() -> None:
    known, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f")
    der = ssl.PEM_cert_to_DER_cert(PAIR.certificate.decode()).replace(known, unknown)
    problem = refused(replace(PAIR, certificate=ssl.DER_cert_to_PEM_cert(der).encode()))
    assert (problem.where, problem.what) == ("tls.crt", "the certificate's kind of key is not known")


def test_a_chain_that_begins_with_the_ca_is_refused() -> None:
    assert "own certificate first" in refused(replace(PAIR, certificate=PAIR.ca + PAIR.certificate)).fix


def test_a_certificate_with_a_common_name_alone_is_refused() -> None:
    assert refused(nameless()).what == "the certificate names no host"


def test_a_certificate_for_a_mailbox_is_refused() -> None:
    assert refused(nameless(x509.SubjectAlternativeName([x509.RFC822Name("a@b.example")]))).what == "the certificate names no host"


def test_a_name_that_cannot_be_read_is_no_name() -> None:
    broken = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x01")
    assert refused(nameless(broken)).what == "the certificate names no host"


def test_the_place_is_the_path_where_the_folder_is_known() -> None:
    assert refused(replace(PAIR, key=b"", origin="/etc/tls")).where == "/etc/tls/tls.key"
