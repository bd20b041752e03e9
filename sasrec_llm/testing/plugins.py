"""The promises of a plugin."""

from __future__ import annotations

import typer

from sasrec_llm.components import KINDS, resolve
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing.promises import promise, promised


def check_plugin(module: object) -> None:
    """The module's hooks exist, every record it yields can be registered and imported, every folder of recipes is
    there, and what it adds to `srl` are commands."""
    found = Plugins()
    with promised("plugin", getattr(module, "__name__", "given")):
        row = found.add(module, "checked")
        promise(row.status == "ok", row.error)
        promise(row.hooks, "it implements no hook: mark functions with @hookimpl")
        for kind in KINDS:
            for component, _ in found.offers(kind).values():
                for name in ("build", "read", "measure"):
                    if hasattr(component, name):
                        resolve(getattr(component, name))
        for folder in found.recipe_folders():
            promise(folder.is_dir(), f"srl_recipes names {folder}, which is no folder")
        promise(row.status == "ok", row.error)
        if "srl_commands" in row.hooks:
            app = typer.Typer()
            found.manager.hook.srl_commands(app=app)
            promise(app.registered_commands or app.registered_groups, "srl_commands adds no command")
