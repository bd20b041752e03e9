"""`srl plugins`"""

from __future__ import annotations

import typer

from sasrec_llm.cli.plugins import author, install, listing
from sasrec_llm.cli.run import Json

app = typer.Typer(help="List the installed plugins; look at one, install, make and check them.")


@app.callback(invoke_without_command=True)
def bare(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is None:
        listing.list_plugins(json)


app.command("list")(listing.list_plugins)
app.command("show")(listing.show)
app.command("install")(install.install)
app.command("uninstall")(install.uninstall)
app.command("new")(author.new)
app.command("check")(author.check)
