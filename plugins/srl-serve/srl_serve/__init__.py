"""`srl serve`: a finished run answers over HTTP."""

from __future__ import annotations

import typer

from sasrec_llm import hookimpl
from srl_serve.command import serve


@hookimpl
def srl_commands(app: typer.Typer) -> None:
    app.command("serve")(serve)
