"""The `orderflow` command: data on stdout, the rest on stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage or setting, 3 refused by the feed or found
unhealthy, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import click

from flows import __version__
from flows.commands.config import config
from flows.commands.demo import demo
from flows.commands.doctor import doctor
from flows.commands.import_tapes import import_tapes
from flows.commands.mock_feed import mock_feed
from flows.commands.query import query
from flows.commands.rebuild_history import rebuild_history
from flows.commands.record import record
from flows.commands.replay import replay_command
from flows.commands.run import run
from flows.commands.scorecard import scorecard
from flows.commands.simulate import simulate
from flows.commands.tail import tail
from flows.commands.tune import tune
from flows.errors import OrderflowError
from flows.interrupts import heard

INTERRUPTED = 130
_OURS = ("flows", "operators", "sinks")


class _Commands(click.Group):
    """Commands in the order a newcomer meets them; a closed pipe ends them in silence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has left, as `head` does. Python would complain once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return result


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orderflow")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Watch the tape of US stocks and say when large sellers are at work.

    Start with `orderflow demo`: it needs no key and no network.
    """
    if debug:
        sys.excepthook = sys.__excepthook__


for _command in (
    demo,
    run,
    doctor,
    replay_command,
    import_tapes,
    scorecard,
    tune,
    simulate,
    tail,
    query,
    record,
    config,
    mock_feed,
    rebuild_history,
):
    cli.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    sys.excepthook = _one_sentence
    try:
        with heard():
            result = cli.main(args, prog_name="orderflow", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OrderflowError as stop:
        if "--debug" in args:
            raise
        click.echo(f"orderflow: {stop}", err=True)
        return stop.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    return result if isinstance(result, int) else 0


def _one_sentence(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Report what nobody foresaw, in a sentence; the interpreter then exits with 1."""
    while error.__cause__ is not None and not _is_ours(error):
        error = error.__cause__  # the dataflow wraps what an operator raised
    click.echo(f"orderflow: {describe(error)}", err=True)


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _OURS


def describe(error: BaseException) -> str:
    """Return an error as people say it: our own are sentences, others name their class."""
    if _is_ours(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    first = str(error).strip().partition("\n")[0]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"{what} (`orderflow --debug ...` shows where it happened)"


if __name__ == "__main__":
    sys.exit(main())
