"""The promises of a plugin."""

from __future__ import annotations

from sasrec_llm.components import KINDS, resolve
from sasrec_llm.plugins import PluginRow, Plugins


def check_plugin(module: object) -> None:
    """The module's hooks exist, and every record it yields can be registered and imported."""
    found = Plugins()
    row = PluginRow("checked", "checked", "0")
    found.add(module, "checked")
    (row,) = found.rows
    assert row.status == "ok", row.error
    assert row.hooks, "the module implements no hook: mark functions with @hookimpl"
    for kind in KINDS:
        for component, _ in found.offers(kind).values():
            for name in ("build", "read", "measure"):
                if hasattr(component, name):
                    resolve(getattr(component, name))
    assert row.status == "ok", row.error
