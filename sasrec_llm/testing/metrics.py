"""The promises of a metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from sasrec_llm.components import MetricComponent, resolve
from sasrec_llm.evaluation.statistics import statistic, value
from sasrec_llm.interfaces import Ranked, Scored
from sasrec_llm.testing.promises import promise, promised

N_ROWS = N_ITEMS = 24  # every item is a target once
USERS = np.repeat(np.arange(1, 7), 4)


def check_metric(component: MetricComponent) -> None:
    """What every metric promises: a number for any answers, nan where it is not defined, also for one class or no rows;
    the same in any order of the rows; better answers not worse, as `larger_is_better` says; an interval over users."""
    with promised("metric", component.name):
        good, bad = _answers(component.task, good=True), _answers(component.task, good=False)
        best, worst = _measure(component, good), _measure(component, bad)
        promise(
            np.isfinite(best) and np.isfinite(worst), f"must be a number for answers of both kinds; got {best}, {worst}"
        )
        order = np.random.default_rng(0).permutation(N_ROWS)
        turned = _measure(component, good.take(order, good.users[order]))
        promise(np.isclose(best, turned), f"must not depend on the order of rows: {best} became {turned}")
        better = best >= worst - 1e-12 if component.larger_is_better else best <= worst + 1e-12
        promise(
            better, f"larger_is_better is {component.larger_is_better}, but good answers get {best}, bad ones {worst}"
        )
        for rows in (np.flatnonzero(good.users == 1)[:1], np.arange(0)):
            _measure(component, good.take(rows, good.users[rows]))
        found = statistic(lambda answers: _call(component, answers), good)
        promise(found.n_users == len(np.unique(USERS)), f"n_users must be 6, one for each user; got {found.n_users}")
        drawn = np.random.default_rng(1).multinomial(found.n_users, np.full(found.n_users, 1 / found.n_users), 5)
        shape = np.shape(found.at(drawn.astype(np.float64)))
        promise(shape == (5,), f"at(weights [W, U]) must be [W]: (5,); got {shape}")


def _call(component: MetricComponent, answers: Any) -> Any:
    measure = resolve(component.measure)
    return measure(answers) if component.at is None else measure(answers, k=component.at)


def _measure(component: MetricComponent, answers: Any) -> float:
    found = _call(component, answers)
    plain = isinstance(found, (int, float))
    promise(plain or hasattr(found, "at"), f"must be a number or a Statistic; got {type(found).__name__}")
    return float(found) if plain else value(found)


def _answers(task: str, good: bool) -> Scored | Ranked:
    """Of 6 users, 4 rows each, as right as can be or as wrong; likes and dislikes are as many."""
    if task == "next-item":
        targets = np.arange(N_ITEMS) + 1
        lists = (targets[:, None] + np.arange(N_ITEMS)) % N_ITEMS + 1  # the target comes last
        top = np.roll(lists, 1, axis=1) if good else lists
        ranks = np.full(N_ROWS, 1.0 if good else float(N_ITEMS))
        return Ranked(USERS, targets, ranks, top, np.full(N_ITEMS + 1, 3))
    ratings = np.tile([1.0, 2.0, 4.0, 5.0], 6).astype(np.float32)
    labels = (ratings >= 4).astype(np.int64)
    likely = np.where(labels == 1, 0.9, 0.1) + np.linspace(-0.05, 0.05, N_ROWS)
    said = ratings.astype(np.float64)
    if not good:
        likely, said = 1 - likely, 6 - said
    return Scored(USERS, labels, likely, ratings, said, said)
