"""The root of `srl`: commands, plugin commands, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import logging
import os
import shlex
import sys
from copy import copy
from typing import Annotated

import typer
from rich.logging import RichHandler

from sasrec_llm import processes
from sasrec_llm.cli import (
    bench,
    compare,
    components,
    data,
    doctor,
    evaluate,
    recipes,
    recommend,
    report,
    run,
    runs,
    score,
    tune,
)  # fmt: skip
from sasrec_llm.cli.output import mute, prose, say
from sasrec_llm.cli.plugins import app as plugin_commands
from sasrec_llm.errors import SrlError, UsageError, out_of_memory
from sasrec_llm.launch import note_end
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.signals import Interrupted, listening

app = typer.Typer(
    name="srl",
    help="Sequential recommenders joined with large language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("tune")(tune.tune)
app.command("recommend")(recommend.recommend)
app.command("score")(score.score)
app.command("export")(recommend.export)
app.command("bench")(bench.bench)
app.command("report")(report.report)
app.add_typer(data.app, name="data")
app.add_typer(recipes.app, name="recipes")
app.add_typer(runs.app, name="runs")
app.command("doctor")(doctor.doctor)
app.command("components")(components.components)
app.add_typer(plugin_commands, name="plugins")


def version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as installed

        say(f"sasrec-llm {installed('sasrec-llm')}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version")
    ] = False,
) -> None:
    if debug:
        os.environ["SRL_DEBUG"] = "1"


def add_plugin_commands(to: typer.Typer, found: Plugins) -> None:
    """Let plugins add commands; a name that is taken is refused and the plugin reported."""
    for impl in found.manager.hook.srl_commands.get_hookimpls():
        extra = typer.Typer()
        try:
            impl.function(extra)
            taken = _names(to) & _names(extra)
            if taken:
                raise UsageError(f"the command {', '.join(sorted(taken))} exists already")
        except (Exception, SystemExit) as error:
            found.row(impl.plugin_name).fail(error)
            continue
        to.registered_commands += extra.registered_commands
        to.registered_groups += extra.registered_groups


def _names(of: typer.Typer) -> set[str]:
    commands = {c.name or (c.callback.__name__.replace("_", "-") if c.callback else "") for c in of.registered_commands}
    return commands | {group.name for group in of.registered_groups if group.name}


def main() -> None:
    logging.basicConfig(
        level=logging.CRITICAL if "_SRL_COMPLETE" in os.environ else logging.WARNING, format="%(message)s",
        handlers=[RichHandler(console=prose, show_time=False, show_path=False, markup=False)],
    )  # fmt: skip
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # what the hub has to say is in our own message
    debug = "--debug" in sys.argv
    if processes.follows():
        mute()
    try:
        with listening():
            whole = copy(app)  # whoever calls this again finds the commands as they were
            whole.registered_commands, whole.registered_groups = [*app.registered_commands], [*app.registered_groups]
            add_plugin_commands(whole, plugins())
            whole(prog_name="srl")  # also of python -m sasrec_llm: what TAB asks for has that name
    except SrlError as error:
        sys.exit(_report(error, str(error), error.hint, error.exit_code, debug))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Make room and run it again: what is done is kept" if full else ""
        sys.exit(_report(error, f"{where}{error.strerror or error}", hint, 4, debug))
    except Interrupted as signal:
        if not processes.called():
            say(f"{signal}: what is done is kept. To go on: {shlex.join(['srl', *sys.argv[1:]])}")
        sys.exit(signal.exit_code)
    except Exception as error:
        if out_of_memory(error):
            hint = (
                "Make smaller: a stage's batch_size, evaluate.batch_size, the model; srl run RECIPE --dry-run measures"
            )
        elif type(error).__name__ == "SafetensorError":  # of a disk: what is read was verified before
            hint = "Is the disk full, or may srl not write there?"
        else:
            raise
        sys.exit(_report(error, str(error).splitlines()[0], hint, 4, debug))


def _report(error: BaseException, message: str, hint: str, code: int, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).exception("", exc_info=error)
    if processes.called():  # whoever started all of us says it once
        note_end(message, hint)
        return code
    say(message)
    if hint:
        say(hint)
    return code
