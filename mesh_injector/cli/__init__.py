"""The command line: one module a command, data to stdout, talk to stderr, and the contract's exit codes."""

import sys

from mesh_injector.cli import exits


def main() -> None:
    """Run the command line; a bug of ours is one line and a reference, never a bare traceback."""
    try:
        from mesh_injector.cli import app

        app.app(prog_name="mesh-injector")
    except SystemExit:
        raise
    except BrokenPipeError:
        sys.exit(exits.quiet_pipe())
    except Exception as error:  # noqa: BLE001 # the last place that can turn a bug into a sentence
        sys.exit(exits.report(error))
