"""`certs` of a folder: what is told of each certificate, when it is a finding, and what there is to say of one that cannot be read."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mesh_injector import certs
from mesh_injector.certs import bundle
from mesh_injector.cli import app
from tests.cli.conftest import Result

DAY = timedelta(days=1)


def written(folder: Path, valid: timedelta, left: timedelta) -> Path:
    """Write a pair that was made for so long, and has so much left."""
    pair = certs.issue(["localhost"], datetime.now(UTC) + left - valid, valid=valid)
    folder.mkdir(exist_ok=True)
    for name, data in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", pair.ca)):
        (folder / name).write_bytes(data)
    return folder


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app.app, arguments, catch_exceptions=False)
    return Result(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (40 * DAY + timedelta(minutes=1), "40 days left"),
        (2 * DAY + timedelta(minutes=1), "2 days left"),
        (2 * DAY - timedelta(minutes=1), "47 hours left"),
        (timedelta(hours=1, minutes=1), "1 hour left"),
        (timedelta(minutes=5, seconds=30), "5 minutes left"),
        (timedelta(hours=-30, minutes=-1), "over for 30 hours"),
        (-3 * DAY - timedelta(minutes=1), "over for 3 days"),
    ],
)
def test_the_time_that_is_left_is_told_in_the_unit_that_tells_it(tmp_path: Path, left: timedelta, told: str) -> None:
    shown = run("certs", "--tls-dir", str(written(tmp_path / "tls", 90 * DAY, left)))
    assert f", {told}" in shown.stdout
    item = json.loads(run("certs", "--tls-dir", str(tmp_path / "tls"), "-o", "json").stdout)["certificates"][0]
    assert item["daysLeft"] == left // DAY


def test_a_certificate_that_is_nearly_over_or_over_is_a_finding(tmp_path: Path) -> None:
    fine = run("certs", "--tls-dir", str(written(tmp_path / "fine", 90 * DAY, 15 * DAY)))
    assert (fine.exit_code, "warning" in fine.stderr) == (0, False)
    nearly = run("certs", "--tls-dir", str(written(tmp_path / "nearly", 90 * DAY, timedelta(hours=30, minutes=1))))
    assert nearly.exit_code == 1
    assert "warning: the serving certificate is nearly over: 30 hours left; renew it" in nearly.stderr
    over = run("certs", "--tls-dir", str(written(tmp_path / "over", 90 * DAY, -DAY)))
    assert (over.exit_code, "nearly" in over.stderr, "expired" in over.stderr) == (1, False, True)


def test_a_short_life_is_not_nearly_over_before_its_last_sixth(tmp_path: Path) -> None:
    assert run("certs", "--tls-dir", str(written(tmp_path / "tls", DAY, timedelta(hours=5)))).exit_code == 0
    assert run("certs", "--tls-dir", str(written(tmp_path / "tls", DAY, timedelta(hours=3)))).exit_code == 1


def test_of_what_cannot_be_read_there_is_no_table(tmp_path: Path) -> None:
    folder = written(tmp_path / "tls", DAY, DAY)
    for name in ("tls.crt", "ca.crt"):
        (folder / name).write_text("nothing")
    shown = run("certs", "--tls-dir", str(folder))
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "the file holds no certificate in PEM" in shown.stderr


def test_a_ca_that_serves_beside_one_that_is_over_is_no_finding(tmp_path: Path) -> None:
    old, folder = written(tmp_path / "old", DAY, -DAY), written(tmp_path / "tls", 90 * DAY, 60 * DAY)
    (folder / "ca.crt").write_bytes(bundle.joined((old / "ca.crt").read_bytes(), (folder / "ca.crt").read_bytes()))
    shown = run("certs", "--tls-dir", str(folder))
    assert (shown.exit_code, "over for" in shown.stdout) == (0, True)
