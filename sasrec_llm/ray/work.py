"""What is mapped over a cluster: lists of many users, batches of an evaluation, texts to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sasrec_llm.answering.lists import Order, write_shard
from sasrec_llm.answering.opening import load
from sasrec_llm.evaluation.examiner import Exam
from sasrec_llm.evaluation.task import Answers
from sasrec_llm.experiment import reopened
from sasrec_llm.plugins import plugins
from sasrec_llm.ray.mapping import map_on_cluster
from sasrec_llm.recipe import Recipe
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.texts_ahead import Reading, reads_texts


def write_lists(order: Order, numbers: Sequence[int], workspace: Workspace, workers: int | None = None) -> None:
    map_on_cluster(lister, (order, workspace.absolute()), numbers, workers)


def lister(order: Order, workspace: Workspace) -> Callable[[int], str]:
    loaded = load(order.run, workspace, plugins(), order.candidates)
    return lambda number: write_shard(order, number, loaded).name


def answer(exam: Exam, found: Run, subsets: Sequence[str], workspace: Workspace, workers: int | None = None) -> Answers:
    told = (Run(found.folder.absolute()), subsets, workspace.absolute())
    return exam.joined(map_on_cluster(_examinee, told, range(len(exam.batches)), workers))


def _examinee(found: Run, subsets: Sequence[str], workspace: Workspace) -> Callable[[int], Answers]:
    return reopened(found, subsets, workspace, plugins()).answer


def read_texts(recipe: Recipe, workspace: Workspace, workers: int | None = None) -> None:
    """Fill the cache with the vectors of the items' texts, if the recipe starts from them."""
    if reads_texts(recipe, plugins()):
        reading = Reading.of(recipe, workspace, plugins())
        map_on_cluster(_reader, (recipe, workspace.absolute()), reading.parts, workers)


def _reader(recipe: Recipe, workspace: Workspace) -> Callable[[int], Any]:
    return Reading.of(recipe, workspace, plugins()).read
