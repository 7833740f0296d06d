"""`demo`: the real webhook on the bundled samples, asked over real HTTPS by a client that speaks as an API server does."""

import asyncio
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from rich.rule import Rule
from rich.text import Text

from mesh_injector.cli import exits, flags, reviews, source, subjects
from mesh_injector.cli.flags import flag
from mesh_injector.cli.reviews import Answer
from mesh_injector.cli.screen import Part
from mesh_injector.cli.terminal import Terminal, verdict
from mesh_injector.engine.outcome import Verdict


def demo(
    keep: Annotated[bool, flag("--keep", help="Go on serving until Ctrl-C.")] = False,
    color: flags.ColorFlag = flags.Color.AUTO,
) -> int:
    """Show the whole path: the HTTPS webhook, on the samples. It is sent real AdmissionReviews, tells what happened, and ends.

    Examples:

      mesh-injector demo

      mesh-injector demo --keep
    """
    from mesh_injector import logs

    logs.configure(logging.WARNING)
    terminal = Terminal(color)
    answers = asyncio.run(_serve_and_ask(terminal, keep=keep))
    return exits.DONE if all(answer.status == 200 for answer in answers) else exits.NO


async def _serve_and_ask(terminal: Terminal, *, keep: bool) -> list[Answer]:
    from mesh_injector import server

    samples = source.samples()
    async with server.running(server.Options((str(samples),), host="127.0.0.1", port=0, health_port=0)) as addresses:
        terminal.say(f"serving {_near(samples)} at {addresses.mutate}, TLS verified against its own CA", style="dim")
        answers = await asyncio.to_thread(reviews.ask, addresses.mutate, addresses.ca, reviews.of(samples))
        _show(answers, terminal)
        if keep:
            terminal.say("")
            terminal.say(f"ready: {addresses.mutate} (health on {addresses.health_port}); Ctrl-C ends it")
            await _until_interrupted()
        return answers


async def _until_interrupted() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


def _show(answers: list[Answer], terminal: Terminal) -> None:
    _title(terminal, f"What the webhook answered to {len(answers)} AdmissionReviews")
    verdicts = list(Verdict)
    answers = sorted(answers, key=lambda answer: verdicts.index(Verdict(answer.audit["outcome"])))
    terminal.table(("OUTCOME", "POD", "MESH", "WHY"), [_row(answer) for answer in answers])
    for answer in filter(lambda answer: answer.message, answers):
        what, _, fix = answer.message.removeprefix("mesh-injector: ").partition("; fix: ")
        terminal.out.line()
        terminal.out.paragraph((_name(answer), "bold"), f" {what}")
        terminal.out.paragraph((f"fix: {fix}", "green"))
    shown = next(answer for answer in answers if answer.patch)
    _title(terminal, f"What it changed in {shown.pod}")
    terminal.diff(shown.pod, shown.body, subjects.apply(shown.body, shown.patch), fit=True)
    _title(terminal, "The JSON Patch (RFC 6902) that it sent")
    for operation in shown.patch:
        terminal.out.cut(*_operation(operation))
    _title(terminal, "What to try next")
    program, samples = _program(), _near(source.samples())
    for command, what in (
        (f"{program} explain -f {samples}/workloads.yaml", "why each pod was injected, or why not"),
        (f"{program} inject -f {samples}/workloads.yaml -o diff", "the same offline, as a diff, before anything is applied"),
        (f"{program} serve --source {samples} --port 8443", "the webhook for good; edit the samples while it runs"),
    ):
        terminal.out.line("  ", (command, "bold"))
        terminal.out.line("      ", what)


def _near(path: Path) -> str:
    """Write a path as a person in the current folder would."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _program() -> str:
    """Name this program so that the line can be typed as it stands."""
    return "mesh-injector" if shutil.which("mesh-injector") else _near(Path(sys.argv[0]).absolute())


def _title(terminal: Terminal, text: str) -> None:
    terminal.out.line()
    terminal.out.console.print(Rule(Text(text, style="bold"), align="left", style="dim"))


def _row(answer: Answer) -> tuple[Part, ...]:
    return verdict(Verdict(answer.audit["outcome"])), _name(answer), answer.audit["mesh"] or "-", answer.audit["reason"]


def _name(answer: Answer) -> str:
    return f"{answer.namespace}/{answer.pod}"


def _operation(operation: dict[str, Any]) -> tuple[Part, ...]:
    value = json.dumps(operation["value"], ensure_ascii=False) if "value" in operation else ""
    return (f"{operation['op']:8}", "green"), (operation["path"], "bold"), f"  {value}"
