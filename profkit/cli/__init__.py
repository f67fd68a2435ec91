"""The command line: a table of commands, one file a command, and the one place where a failure ends the process.

Importing this module imports neither pandas nor any other heavy package, so that `profkit --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module

import click

import profkit
from profkit.cli.late_imports import import_late, imported_for_good
from profkit.errors import ProfkitError
from profkit.safe_text import printable

DONE, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; done and something named by --fail-on was found; bad usage or unreadable input; Ctrl-C."""

# Command name -> (module that holds a click command named `command`, one line for the overview).
COMMANDS: dict[str, tuple[str, str]] = {
    "triage": ("profkit.cli.triage", "What to look at first: slow, overflowing and diverging operators, ranked."),
    "changes": ("profkit.cli.changes", "What a fix changed: two sessions' step time, findings and modules."),
    "align": ("profkit.cli.align", "Operators of two runs, aligned: PyTorch and MindSpore, or before and after."),
    "ops": ("profkit.cli.ops", "Operators of one run, summed by name, type, class, module, shape or kernel."),
    "steps": ("profkit.cli.steps", "Where the time of each step goes: computation, communication, overlap, idle."),
    "comm": ("profkit.cli.comm", "Collectives and transfers of one run: time, wait, bytes, bandwidth."),
    "memory": ("profkit.cli.memory", "How much memory each component of one run held, and when."),
    "overflow": ("profkit.cli.overflow", "Which operator made the first NaN or Inf of a dump, and how it spread."),
    "compare": ("profkit.cli.compare", "Numerical parity of two arrays or directories of tensors."),
    "structure": ("profkit.cli.structure", "Two networks module by module: what is the same, and what differs."),
    "weights": ("profkit.cli.weights", "Weights of a network for another: map, convert, compare."),
    "inspect": ("profkit.cli.inspect", "What each path is: format, version, rank, steps, rows, issues, and why."),
    "tui": ("profkit.cli.tui", "Browse operators, findings, overflow and parity in the terminal."),
    "cache": ("profkit.cli.cache", "What is kept of the inputs that were read; remove it."),
    "demo": ("profkit.cli.demo", "Triage of the bundled migration: a slow module, a NaN and a divergence."),
}


class _CommandTable(click.Group):
    """A group whose overview comes from COMMANDS and whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import_late()
        with imported_for_good():
            command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `profkit demo`, then `profkit triage TORCH_RUN MINDSPORE_RUN`. "
    "Exit codes: 0 done, 1 something named by --fail-on was found, 2 bad usage or unreadable input.",
)
@click.version_option(profkit.__version__, prog_name="profkit", message="%(prog)s %(version)s")
def _profkit() -> None:
    """Triage of PyTorch to MindSpore migrations.

    What became slow, which operator made the first NaN, where do the numbers diverge, what to look at first.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(_exit_code(given))


def _exit_code(arguments: list[str]) -> int:
    try:
        code = _run(arguments)
        return code if isinstance(code, int) else DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted: nothing was left half written")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return FAILED
    except BrokenPipeError:
        # The reader of our stdout (head, less) went away: a normal end. Python must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - the outermost boundary: every failure becomes one clear line
        _explain(error)
        if "--debug" in arguments:
            traceback.print_exception(error)
        return FAILED


def _run(arguments: list[str]) -> object:
    try:
        return _profkit.main(args=arguments, prog_name="profkit", standalone_mode=False)
    except click.Abort as end:
        # click takes every end of file for Ctrl-D at a question; profkit asks none, so a file ended too early.
        if isinstance(end.__cause__, EOFError):
            raise end.__cause__ from None
        raise


def _explain(error: Exception) -> None:
    if isinstance(error, ProfkitError):
        _say(error.message, error.hint)
    elif isinstance(error, MemoryError):
        _say("the memory of this machine does not suffice", "read one rank with --rank, or a smaller recording")
    else:
        _say(
            f"this is a fault in profkit: {type(error).__name__}: {error}",
            "run it again with --debug and report what it prints",
        )


def _say(message: str, hint: str = "") -> None:
    click.echo(f"profkit: {printable(message)}", err=True)
    if hint:
        click.echo(f"  {printable(hint)}", err=True)
