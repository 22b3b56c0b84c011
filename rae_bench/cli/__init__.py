"""The command line: a thin shell over the Python API. Commands are imported when they are called."""

from __future__ import annotations

import importlib
import io
import sys
import traceback
from typing import Any

import click

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.cli.status import interruption

COMMANDS = {
    "run": ("rae_bench.cli.run", "run", "Run models on tasks and show what transfer bought."),
    "sweep": ("rae_bench.cli.sweep", "sweep", "Run many models, tasks and seeds at once."),
    "tune": ("rae_bench.cli.tune", "tune", "Search a model's options on a task's source."),
    "study": ("rae_bench.cli.study", "study", "Run a published study again."),
    "generate": ("rae_bench.cli.generate", "generate", "Make motion with an adapted model."),
    "list": ("rae_bench.cli.show", "list_", "List models, tasks, rigs and imported domains."),
    "show": ("rae_bench.cli.show", "show", "Show a rig, a task or a model."),
    "view": ("rae_bench.cli.view", "view", "Show motion in a page that any browser opens."),
    "compare": ("rae_bench.cli.compare", "compare", "Is one model better than another, and how sure is that?"),
    "submit": ("rae_bench.cli.submit", "submit", "Make an entry for the leaderboard."),
    "verify": ("rae_bench.cli.verify", "verify", "Is an entry what it says?"),
    "rescore": ("rae_bench.cli.rescore", "rescore", "Compute metrics again from kept trajectories."),
    "check": ("rae_bench.cli.check", "check", "Check a model's contract, a rig, our metrics, a task's budgets."),
    "leaderboard": ("rae_bench.cli.leaderboard", "leaderboard", "Build, show, check and compare boards."),
    "data": ("rae_bench.cli.data", "data", "Bring in recordings and look at them."),
    "doctor": ("rae_bench.cli.doctor", "doctor", "Say what is installed and found here, and what is missing."),
}


class _Lazy(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from rae_bench.errors import unknown

            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BaseException as error:
            # Else click would end with 1 where the clean-up after Ctrl-C meets a closed pipe.
            if ctx.params.get("verbose") and not isinstance(error, (click.exceptions.Exit, SystemExit)):
                traceback.print_exception(error)
            interrupted = interruption(error)
            if interrupted is not None:
                raise KeyboardInterrupt(*interrupted.args) from error
            raise


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(
    package_name="rae-bench", prog_name="rae-bench",
    message=f"%(prog)s, version %(version)s, benchmark version {BENCHMARK_VERSION}",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Also say versions and folders, and the trace of an error.")
def cli(verbose: bool) -> None:
    """Transfer learning of motion synthesis across character rigs.

    \b
    rae-bench run --model fe --task biped2quad    the main job, about a minute on two cores
    rae-bench list                                what there is
    rae-bench doctor                              what is installed, and what is missing
    """
    if verbose:
        _say_where()


def _say_where() -> None:
    """Say on stderr which program this is, and where it looks for what."""
    import os
    from importlib.metadata import version
    from pathlib import Path

    from rae_bench.storage import home

    python = ".".join(map(str, sys.version_info[:3]))
    click.echo(f"rae-bench {version('rae-bench')} in {Path(__file__).parents[1]}", err=True)
    click.echo(f"python {python} in {sys.prefix}, cache in {home()}", err=True)
    click.echo(f"recordings in {os.environ.get('RAE_BENCH_DATA') or 'no folder that RAE_BENCH_DATA names'}", err=True)


def plain(text: str) -> str:
    """Return what is said of a stranger's file without what would do something to a terminal; lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def main(arguments: list[str] | None = None) -> Any:
    """Entry point. Exit codes: 0 ok, 1 a cell failed, 2 usage or bad input, 130 interrupted."""
    from rae_bench.errors import RayLost, UserError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # code pages of Windows lack some signs that we print
    try:
        sys.exit(cli.main(arguments, prog_name="rae-bench", standalone_mode=False) or 0)
    except UserError as error:
        print(plain(f"rae-bench: {error}"), file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(plain(f"rae-bench: {place}{error.strerror or error}"), file=sys.stderr)
        sys.exit(2)
    except RayLost:  # the display has said it
        sys.exit(1)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "rae-bench"
        print(plain(f"{command}: {error.format_message().rstrip('.')} (see {command} --help)"), file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        found = interruption(error)
        how_far = f": {found}" if found is not None and str(found) else ""
        print(f"rae-bench: interrupted{how_far}", file=sys.stderr)
        sys.exit(130)
