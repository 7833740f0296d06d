"""`certs`: the certificate that serves, whether API servers trust it, and asking the leader for a new one."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mesh_injector.cli import exits, flags
from mesh_injector.cli.flags import flag
from mesh_injector.cli.terminal import Terminal
from mesh_injector.kube.credentials import Credentials

if TYPE_CHECKING:
    from mesh_injector.certs.description import Description
    from mesh_injector.certs.pair import Pair
    from mesh_injector.kube.renewal import Place

_HEADINGS: Final = ("WHAT", "", "")
_UNITS: Final = (("day", timedelta(days=1), 2), ("hour", timedelta(hours=1), 1), ("minute", timedelta(minutes=1), 1))
"""The words for a length of time, and from how many of it on each is used."""


class Action(StrEnum):
    """What to do."""

    SHOW = "show"
    RENEW = "renew"


class Output(StrEnum):
    """The forms of the output."""

    TEXT = "text"
    JSON = "json"


def certs(  # noqa: PLR0913 # the parameters are the command's flags
    action: Annotated[Action, typer.Argument(help="show, or renew: ask the leader, and wait.")] = Action.SHOW,
    ca: Annotated[bool, flag("--ca", help="Renew the CA too.")] = False,
    timeout: Annotated[int, flag("--timeout", min=1, max=86400, metavar="SECONDS", help="How long to wait for a renewal.")] = 300,
    tls_dir: flags.TlsDir = None,
    tls_secret: Annotated[str, flag("--tls-secret", metavar="NAME", help="The Secret of the home namespace.")] = "mesh-injector-tls",  # noqa: S107 # a name
    configuration: Annotated[
        str, flag("--configuration", metavar="NAME", help="The webhook configurations that are to trust it.")
    ] = "mesh-injector",
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    home_namespace: flags.Home = "mesh-system",
    output: Annotated[Output, flag("-o", "--output", help="text or json.")] = Output.TEXT,
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Show the serving certificate and its CAs, or have it renewed. The CAs are those that API servers are told.

    `certs renew` asks the leader by an annotation of the Secret, with your own rights, and waits; with --ca it renews the CA too. Exit 0
    when all is well, 1 when the certificate cannot serve or soon cannot, an entry does not trust it, or a renewal was not done in time.

    Examples:

      mesh-injector certs --tls-dir tls/

      mesh-injector certs --tls-dir tls/ -o json
    """
    from mesh_injector.kube.renewal import Place

    terminal = Terminal(color, quiet=quiet)
    place, given = Place(home_namespace, tls_secret, configuration), Credentials(kubeconfig, context)
    if action is Action.RENEW:
        if tls_dir:
            raise typer.BadParameter("files are renewed where they come from", param_hint="--tls-dir")
        return asyncio.run(_renew(given, place, "ca" if ca else "leaf", timeout, terminal))
    return _show(tls_dir, given, place, output, terminal)


async def _renew(given: Credentials, place: "Place", what: str, seconds: float, terminal: Terminal) -> int:
    from mesh_injector.certs.rotation import Wish
    from mesh_injector.errors import ClusterError
    from mesh_injector.kube import client, renewal

    try:
        async with asyncio.timeout(seconds), client.connect(given) as cluster:
            async for told in renewal.renew(cluster, place, Wish(what)):
                terminal.say(told)
    except TimeoutError:
        terminal.say(f"not done within {seconds:.0f} s: see the leader's log, and whether there is one: kubectl get lease -n {place.home}")
        return exits.NO
    except ClusterError as error:
        if error.status != 409:
            raise
        terminal.problem(error.problem)
        return exits.NO
    terminal.say("done", style="green")
    return exits.DONE


def _show(tls_dir: Path | None, given: Credentials, place: "Place", output: Output, terminal: Terminal) -> int:
    from mesh_injector.certs import description, pair

    at = datetime.now(UTC)
    found, source, bundles = (pair.read(tls_dir), "files", {}) if tls_dir else asyncio.run(_read(given, place))
    rows = description.described(found, at)
    findings = [*_findings(found, bundles, at), *(_nearly_over(row) for row in rows if row.what != "ca" and row.is_nearly_over)]
    if output is Output.JSON:
        terminal.json({"source": source, "certificates": [_item(row, bundles) for row in rows], "findings": findings})
    else:
        terminal.say(f"{source}: {found.origin}", style="dim")
        if rows:
            terminal.table(_HEADINGS, [line for row in rows for line in _lines(row, bundles)])
        for finding in findings:
            terminal.say(f"warning: {finding}", style="yellow")
    return exits.NO if findings else exits.DONE


async def _read(given: Credentials, place: "Place") -> "tuple[Pair, str, dict[str, bytes]]":
    from mesh_injector.kube import client, renewal, secret

    async with client.connect(given) as cluster:
        found = await renewal.read(cluster, place)
    return secret.kept(found.body).pair, "self-managed" if secret.is_ours(found.body) else "managed by others", found.bundles


def _findings(found: "Pair", bundles: dict[str, bytes], at: datetime) -> list[str]:
    """What is wrong: with the pair, and with each entry."""
    from mesh_injector.certs import bundle, validity
    from mesh_injector.errors import ConfigError

    try:
        validity.check(found, at)
    except ConfigError as error:
        return [str(error.problem)]
    untrusting = [name for name, pem in bundles.items() if not bundle.trusts(pem, found, at)]
    own = [] if not found.ca or bundle.trusts(found.ca, found, at) else ["no CA of ca.crt has signed the certificate"]
    return own + [f"entry {name} does not trust the certificate: the leader writes ca.crt into it" for name in untrusting]


def _trusting(row: "Description", bundles: dict[str, bytes]) -> list[str]:
    from mesh_injector.certs import bundle

    return [name for name, pem in bundles.items() if bundle.contains(pem, row.pem)] if row.what == "ca" else []


def _lines(row: "Description", bundles: dict[str, bytes]) -> list[Sequence[str]]:
    facts = {
        "subject": row.subject,
        "for": ", ".join(row.hosts),
        "issuer": row.issuer,
        "life": f"{row.not_before:%Y-%m-%d} to {row.not_after:%Y-%m-%d}, {_left(row)}",
        "trusted by": f"{len(_trusting(row, bundles))} of {len(bundles)} entries" if row.what == "ca" and bundles else "",
    }
    told = [(name, fact) for name, fact in facts.items() if fact]
    return [("" if number else row.what, *each) for number, each in enumerate(told)]


def _nearly_over(row: "Description") -> str:
    return f"the {row.what} certificate is nearly over: {_left(row)}; renew it"


def _left(row: "Description") -> str:
    """Say how much time is left, in days, or hours where those are too coarse."""
    length = abs(row.left)
    unit, number = next(((word, length // one) for word, one, least in _UNITS if length >= least * one), ("second", length.seconds))
    said = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{said} left" if row.left > timedelta() else f"over for {said}"


def _item(row: "Description", bundles: dict[str, bytes]) -> dict[str, Any]:
    return {
        "what": row.what,
        "subject": row.subject,
        "issuer": row.issuer,
        "hosts": list(row.hosts),
        "notBefore": row.not_before.isoformat(),
        "notAfter": row.not_after.isoformat(),
        "daysLeft": row.left.days,
        "trustedBy": _trusting(row, bundles),
    }
