"""All that is looked at, in order."""

from __future__ import annotations

from sasrec_llm.doctor import install, machine, places
from sasrec_llm.doctor.sections import Section, examined
from sasrec_llm.plugins import Plugins
from sasrec_llm.runs import Workspace


def check_up(workspace: Workspace, plugins: Plugins) -> dict[str, Section]:
    looks = {
        "versions": install.versions,
        "extras": install.extras,
        "plugins": lambda section: install.plugged_in(section, plugins),
        "machine": machine.machine,
        "folders": lambda section: places.folders(section, workspace),
        "models": places.models,
        "datasets": lambda section: places.datasets(section, workspace, plugins),
        "runs": lambda section: places.runs(section, workspace),
    }
    return {title: examined(title, look) for title, look in looks.items()}
