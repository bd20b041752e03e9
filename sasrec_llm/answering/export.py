"""A finished run as one folder that answers on any machine.

README.md                     what it is, its figures, the licence of its data
export.json  recipe.json      what was run; data.json what of the data is known
items.parquet  users.parquet  number -> id, title, counts      rows.parquet   with `--with-rows` alone
parts/NAME/                   safetensors, or a PEFT adapter
backbone/                     a Hugging Face folder; of a model on the hub only with `--merge` or `--with-backbone`
index.safetensors             with `--index`: what to look through for whom
members/NAME/                 the runs that an ensemble is made of
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sasrec_llm.answering.export_card import card_text
from sasrec_llm.answering.indexing import make_index
from sasrec_llm.answering.kept import write_kept
from sasrec_llm.answering.opening import EXPORT, VERSION, Opened, open_export, open_run
from sasrec_llm.answering.questions import Question
from sasrec_llm.backbones.model_files import copy_model
from sasrec_llm.data.card import read_card
from sasrec_llm.durable import new_folder, write_json, write_text
from sasrec_llm.errors import DamagedError, RunError, UsageError
from sasrec_llm.interfaces import Mergeable, Portable
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Choice, Recipe
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.strategies.assemble import make
from sasrec_llm.systems import world
from sasrec_llm.train.identity import about_part
from sasrec_llm.train.parts import save_part

ASKED, OFFERED = 8, 16  # people and items of which an export must say the same as its run
NEAR = 1e-3  # of a score; weights that were merged are summed in another order


@dataclass(frozen=True, slots=True)
class Exporter:
    workspace: Workspace
    plugins: Plugins
    merge: bool = False  # LoRA folded into the backbone
    with_backbone: bool = False  # also where the hub has it
    with_rows: bool = False
    index: bool = False

    def export(self, found: Run, to: Path) -> None:
        """Write the folder, open it, and compare its scores with the run's; only then it takes its place."""
        if to.exists():
            raise UsageError(f"{to} exists already", hint="Give another folder, or remove that one")
        opened = open_run(found, self.workspace, self.plugins)
        if self.merge and not (lora_of(opened.recipe) or runs_of(opened.recipe)):
            raise RunError(f"{found.name} has no LoRA that could be merged", hint="Export it without --merge")
        questions, items = _questions(opened)
        wanted = opened.loaded().score(questions, items)
        with new_folder(to) as draft:
            self._write(opened, found, draft)
            write_kept(draft, opened.kept, rows=self.with_rows)
            made = make_index(opened.loaded(), opened.kept.names.users) if self.index else None
            if made:
                made.index.save(draft)
            card = read_card(self.workspace.data / opened.kept.data.name)
            write_text(draft / "README.md", card_text(found, opened.recipe, card, to.name, made.told() if made else ""))
        try:
            again = open_export(to, self.workspace, self.plugins).loaded().score(questions, items)
            difference = np.abs(np.array(again) - np.array(wanted)).max()
            if not difference <= NEAR * max(np.abs(wanted).max(), 1):
                raise DamagedError(
                    f"the export does not answer as {found.name} does: scores differ by {difference:.2g}"
                )
        except BaseException:
            shutil.rmtree(to, ignore_errors=True)
            raise

    def _write(self, opened: Opened, found: Run, folder: Path) -> None:
        """What a member of an ensemble has too: its recipe and its parts."""
        recipe = self._taken_along(opened, folder)
        trained = {part for stage in opened.recipe.stages.values() for part in (*stage.train, *stage.load)}
        for name, part in opened.strategy.parts().items():
            if name in trained and not (name == "lora" and self.merge):
                save_part(folder / "parts" / name, part, about_part(recipe, opened.kept.data, name))
        members = {}
        for name in runs_of(recipe):
            member = find_run(self.workspace.runs, name, opened.kept.data.sha256, opened.recipe.head.seed)
            members[name] = member.name
            self._write(open_run(member, self.workspace, self.plugins), member, folder / "members" / member.name)
        write_json(folder / "recipe.json", recipe.dump())
        about = {"version": VERSION, "srl": version("sasrec-llm"), "name": found.name, "objective": opened.objective}
        write_json(folder / EXPORT, {**about, "members": members, "made_with": found.manifest()["versions"]})

    def _taken_along(self, opened: Opened, folder: Path) -> Recipe:
        """The recipe without its training, its files in the folder."""
        choices = dict(opened.recipe.choices)
        if "backbone" in choices:
            choices["backbone"] = self._backbone(opened, choices["backbone"], folder)
        template = getattr(opened.recipe.strategy.settings, "template", None)
        if template and Path(template).is_file():
            shutil.copyfile(template, folder / "template.txt")
            changed = opened.recipe.strategy.settings.model_copy(update={"template": "./template.txt"})
            choices["strategy"] = replace(choices["strategy"], settings=changed)
        evaluate = opened.recipe.evaluate.model_copy(update={"ablations": []})
        return replace(opened.recipe, choices=choices, stages={}, evaluate=evaluate, search=None)

    def _backbone(self, opened: Opened, choice: Choice, folder: Path) -> Choice:
        """Where the export's recipe finds the language model: in its folder, or on the hub where it was."""
        kept = opened.kept
        context = world(opened.recipe, kept.data, kept.training, self.workspace, self.plugins)
        found: Any = make("backbone", choice, context, self.plugins)
        trained = opened.strategy.parts().get("lora")
        if self.merge and isinstance(found, Mergeable) and found.lora and trained:
            if getattr(choice.settings, "quantise", "none") != "none":
                raise RunError("a LoRA cannot be merged into 4-bit weights", hint="Export it without --merge")
            found.lora.load_state_dict(trained.state_dict())
            (folder / "backbone").mkdir(parents=True)
            found.save_merged(folder / "backbone")
            return self._of_folder(choice, None)
        source = found.source if isinstance(found, Portable) else None
        if source is None:
            return choice
        model = getattr(choice.settings, "model", None)
        if model and not Path(model).exists() and not self.with_backbone:  # it stays on the hub, at this commit
            return replace(choice, settings=choice.settings.model_copy(update={"revision": source.name}))
        copy_model(source, folder / "backbone")
        return self._of_folder(choice, lora_of(opened.recipe))

    def _of_folder(self, choice: Choice, lora: Any) -> Choice:
        changes: dict[str, Any] = {"model": "./backbone"}
        if "lora" in type(choice.settings).model_fields:
            changes["lora"] = lora
        if "model" in type(choice.settings).model_fields:
            changes |= {"revision": None}
            return replace(choice, settings=choice.settings.model_copy(update=changes))
        settings: Any = choice.settings  # a model that was made here, from the titles
        llama = self.plugins.get("backbones", "llama").settings
        return Choice("llama", llama(**changes, embed=settings.embed, dtype="fp32"))


def lora_of(recipe: Recipe) -> Any:
    """Its settings, or None."""
    return getattr(recipe.choices["backbone"].settings, "lora", None) if "backbone" in recipe.choices else None


def runs_of(recipe: Recipe) -> Sequence[str]:
    """The finished runs that it is made of."""
    return getattr(recipe.strategy.settings, "runs", ())


def _questions(opened: Opened) -> tuple[Sequence[Question], Sequence[Sequence[int]]]:
    """Somebody new, and people with the items that are liked most as their histories; and items to ask about."""
    liked = np.argsort(-opened.kept.training.popularity[1:], kind="stable") + 1
    some = liked[: ASKED + OFFERED].tolist()
    times = opened.kept.now
    questions = [
        Question(number % (opened.kept.data.n_users + 1), tuple(some[:number]), (times,) * len(some[:number]))
        for number in range(ASKED)
    ]
    return questions, [some[-OFFERED:]] * ASKED
