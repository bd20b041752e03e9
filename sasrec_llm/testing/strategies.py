"""The promises of a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sasrec_llm.components import Objective, Settings, StrategyComponent, Task
from sasrec_llm.interfaces import Recommender, Strategy
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.strategies.ranking import best
from sasrec_llm.testing.parts import Needs, build_parts, smallest, together
from sasrec_llm.testing.promises import chosen, promise, promised
from sasrec_llm.testing.world import LISTS, N_ITEMS, SmallData, context, examples, histories, one, sequences
from sasrec_llm.train.freezing import only, set_mode, weights

SEEN = [[0, 0], [1, 0], [4, 9], [15, 14]]  # what each user has had


def check_strategy(
    component: StrategyComponent[Any, Any], settings: Mapping[str, Any] | None = None, known: Plugins | None = None
) -> None:
    """What every strategy promises, of each objective that small parts can be had for: finite scores, also for an empty
    history, the same for the same seed and in any company; a ranking of the catalogue; parts named as its objectives
    name them; a loss whose gradient reaches exactly the parts that are trained. `known` are the plugins whose parts
    it may be made of; by default the installed ones."""
    with promised("strategy", component.name):
        found = Built(component, chosen(component.settings, settings), known or plugins())
        needs = together(component.needs, component.may)
        if not component.objectives:
            _check_answers(found, needs, "")
            return
        tried = []
        for name, objective in component.objectives.items():
            of_it = together(needs, objective.needs)
            if all(smallest(section, wanted, found.known) for section, wanted in of_it.items()):
                _check_objective(found, of_it, name, objective)
                tried.append(name)
        promise(tried, f"no part that is installed offers what it needs: {_said(needs)}")


def _said(needs: Needs) -> str:
    return "; ".join(f"{section} with {', '.join(sorted(wanted)) or 'anything'}" for section, wanted in needs.items())


class Built:
    """The strategy, built of small parts as often as asked."""

    def __init__(self, component: StrategyComponent[Any, Any], settings: Settings, known: Plugins) -> None:
        self.component, self.settings, self.known = component, settings, known

    def strategy(self, needs: Needs, task: Task = "like") -> Strategy:
        world = build_parts(needs, context(task=task), self.known)
        torch.manual_seed(world.seed)
        return self.component.make(self.settings, world)  # type: ignore[no-any-return]


def _check_objective(found: Built, needs: Needs, name: str, objective: Objective) -> None:
    named, parts = set(found.component.parts), set(found.strategy(needs).parts())
    promise(parts == named, f"parts() are {sorted(parts)}, those of its objectives {sorted(named)}")
    if objective.learns == "all":
        fitted = found.strategy(needs)
        fitted.fit(name, SmallData())
        promise(torch.isfinite(_score(fitted.recommender(name))).all(), f"scores must be finite after fit({name!r})")
        return
    _check_answers(found, needs, name)
    for ablation in found.component.ablations if name == list(found.component.objectives)[-1] else ():
        crippled = _score(found.strategy(needs).recommender(name, ablation))
        promise(torch.isfinite(crippled).all(), f"scores must be finite, also with the ablation {ablation!r}")
    for trained in dict.fromkeys([objective.train, *((part,) for part in objective.train)]):
        _check_gradient(found.strategy(needs), name, objective, trained)


def _check_answers(found: Built, needs: Needs, objective: str) -> None:
    recommender = found.strategy(needs).recommender(objective)
    scores = _score(recommender)
    wanted = examples().targets.shape
    promise(scores.shape == wanted, f"score must be [B, C]: {tuple(wanted)}; got {tuple(scores.shape)}")
    promise(torch.isfinite(scores).all(), "scores must be finite, also for an empty history")
    again = _score(found.strategy(needs).recommender(objective))
    promise(torch.equal(scores, again), "same seed, same scores")
    given, candidates = histories(LISTS, 25), examples().targets
    for row, history in enumerate(LISTS):
        with torch.inference_mode():
            alone = recommender.score(one(given, row), candidates[row : row + 1])
        promise(torch.allclose(alone[0], scores[row], atol=1e-5), f"history {history} depends on its neighbours")
    ranker = found.strategy(needs, "next-item").recommender(objective)
    with torch.inference_mode():
        named, scores = best(ranker, given, N_ITEMS, torch.tensor(SEEN), N_ITEMS)
        same = torch.allclose(scores, ranker.score(given, named).float(), atol=1e-5)
    promise(same, "the scores of a ranking must be those of score")
    for items, seen in zip(named.tolist(), SEEN, strict=True):
        ranked = [item for item in items if item]
        open_ = set(range(1, N_ITEMS + 1)) - set(seen)
        promise(sorted(ranked) == sorted(open_), "a ranking must name each item that the user has not had once")


def _score(recommender: Recommender) -> Tensor:
    batch = examples()
    with torch.inference_mode():
        return recommender.score(batch.histories, batch.targets)


def _check_gradient(strategy: Strategy, name: str, objective: Objective, trained: Sequence[str]) -> None:
    parts = strategy.parts()
    before = {part: [weight.detach().clone() for weight in weights(found)] for part, found in parts.items()}
    batch = sequences() if objective.learns == "sequences" else examples()
    who = f"objective {name!r}, trained {', '.join(trained)}:"
    with only(parts, trained) as chosen:
        set_mode(parts, trained)
        optimiser = torch.optim.AdamW([w for found in chosen.values() for w in found], lr=1e-2, weight_decay=0.1)
        for _ in range(3):  # what starts at zero gets a gradient once others have moved
            loss = strategy.loss(name, batch)
            promise(loss.shape == () and torch.isfinite(loss), f"{who} loss must be one finite number")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        reached = {p for p, found in parts.items() if any(w.grad is not None and w.grad.any() for w in weights(found))}
    promise(reached == set(trained), f"{who} the gradient reaches {sorted(reached)}")
    moved = {
        part
        for part, found in parts.items()
        if any(not torch.equal(old, new) for old, new in zip(before[part], weights(found), strict=True))
    }
    promise(moved == set(trained), f"{who} what changes is {sorted(moved)}")
