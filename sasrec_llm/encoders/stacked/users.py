"""What a user's own rows say of the user, beside what is said of the items: more generous than others, fonder of some.

A note is [2 + D]: log(1 + rows), generosity b, and the weights w of a ridge regression on item content e [D]:

    r = y - p(item)        b = Σ r / (Σ p (1 - p) + 1)        w = (Σ e eᵀ + λ I)⁻¹ Σ e r

To learn from a row, the note must not know its answer, nor the mood of the day: it is taken without the whole visit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.interfaces import Rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PAUSE = 43_200  # seconds without a row that end a visit
RIDGE = 0.2  # λ


def visits(rows: Rows) -> Ints:
    """Number of the visit of each row; rows are ordered by user and time."""
    new = np.ones(len(rows.users), dtype=bool)
    new[1:] = (rows.users[1:] != rows.users[:-1]) | (np.diff(rows.times) > PAUSE)
    return np.cumsum(new) - 1


def notes_of_users(rows: Rows, appeal: Floats, content: Floats, n_users: int) -> Floats:
    """-> [U + 1, 2 + D]; zeros for a user without rows. appeal [N + 1] logits, content [N + 1, D]."""
    found = np.zeros((n_users + 1, 2 + content.shape[1]))
    for start, end in _runs(rows.users):
        found[rows.users[start]] = _note(rows, np.arange(start, end), appeal, content)
    return found


def notes_without_the_visit(rows: Rows, appeal: Floats, content: Floats) -> Floats:
    """What is known of each row's user from all other visits -> [rows, 2 + D]."""
    found = np.zeros((len(rows.users), 2 + content.shape[1]))
    visit = visits(rows)
    for start, end in _runs(rows.users):
        own = np.arange(start, end)
        for first, last in _runs(visit[start:end]):
            others = np.concatenate([own[:first], own[last:]])
            if len(others):
                found[start + first : start + last] = _note(rows, others, appeal, content)
    return found


def _note(rows: Rows, index: Ints, appeal: Floats, content: Floats) -> Floats:
    items = rows.items[index]
    p = 1 / (1 + np.exp(-appeal[items]))
    r, e = rows.labels[index] - p, content[items]
    w = np.linalg.solve(e.T @ e + RIDGE * np.eye(e.shape[1]), e.T @ r)
    return np.concatenate([[np.log1p(len(index)), r.sum() / ((p * (1 - p)).sum() + 1)], w])


def _runs(values: Ints) -> list[tuple[int, int]]:
    """Where equal neighbours start and end."""
    if not len(values):
        return []
    cuts = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(values)], strict=True))
