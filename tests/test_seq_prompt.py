"""LLMSeqPrompt: a trie of titles, beams that name k items that exist and were not seen, scores that are exact."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from sasrec_llm.backbones.llama import LlamaBackbone
from sasrec_llm.backbones.settings import BuiltInLlamaSettings, LoRASettings
from sasrec_llm.backbones.tiny_llama import make_tokenizer
from sasrec_llm.errors import ModelError, UsageError
from sasrec_llm.interfaces import Histories
from sasrec_llm.runs import Workspace
from sasrec_llm.strategies.settings import SeqPromptSettings
from sasrec_llm.strategies.writing.beams import best_titles
from sasrec_llm.strategies.writing.ranges import spread
from sasrec_llm.strategies.writing.seq_prompt import SeqPrompt, build
from sasrec_llm.strategies.writing.title_writer import TitleWriter, title_tokens
from sasrec_llm.strategies.writing.token_shares import TokenShares
from sasrec_llm.strategies.writing.trie import Trie, build_trie
from sasrec_llm.testing import context, histories, one
from tests.test_training import TINY, Counter, do, place, stage

__all__ = ["place"]  # a fixture
TITLES = (
    "Alien",
    "Aliens",
    "Heat (1995)",
    "Alien",
    "",
    "</s>",
    "<s>",
    "Heat (1995) director's cut",
    "  ",
    "two\nlines",
    "two lines",
    "emoji 🎬 and Ünïcødé",
    "Alien 3",
    '"Heat"',
    "x" * 60,
)
PIECES = make_tokenizer([*TITLES, "A person has chosen these items"] * 3, BuiltInLlamaSettings(vocabulary=400))


PLAIN = LoRASettings(r=4, dropout=0.0)


def backbone(seed: int = 0, lora: LoRASettings = PLAIN, **changes: Any) -> LlamaBackbone:
    torch.manual_seed(seed)
    tokenizer = changes.pop("tokenizer", PIECES)
    config = {
        "vocab_size": len(PIECES),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,  # so that titles differ
    }
    return LlamaBackbone(model=LlamaForCausalLM(LlamaConfig(**config | changes)), tokenizer=tokenizer, lora=lora)


MODEL = backbone()


def strategy(titles: tuple[str, ...] = TITLES, model: LlamaBackbone = MODEL, **changes: Any) -> SeqPrompt:
    given = SeqPromptSettings.model_validate(changes)
    return build(given, context(backbone=model, item_texts=titles, n_items=len(titles)))


def writer(titles: tuple[str, ...] = TITLES, model: LlamaBackbone = MODEL, **changes: Any) -> TitleWriter:
    found = strategy(titles, model, **changes).recommender("title")
    assert isinstance(found, TitleWriter)
    return found


LISTS = [[], [3], [1, 4, 8, 2, 12], list(range(1, 16))]
SEEN = torch.tensor([[0, 0, 0], [3, 0, 3], [1, 5, 8], [2, 4, 15]])


def every_item(found: TitleWriter, given: Histories, count: int) -> Tensor:
    with torch.inference_mode():
        return found.score(given, torch.arange(1, count + 1).expand(len(given.users), -1))


def exhaustive(scores: Tensor, seen: Tensor, k: int) -> Tensor:
    """The scores of the best k of all items: what wide beams must find."""
    open_ = torch.cat([torch.zeros(len(scores), 1), scores], 1).scatter(1, seen, -torch.inf)
    open_[:, 0] = -torch.inf
    return open_.sort(dim=1, descending=True).values[:, :k]


def check_wide(found: TitleWriter, k: int) -> None:
    """Beams for every title: the items of the best scores, each with its score."""
    given_ = histories(LISTS, 20)
    every = every_item(found, given_, len(TITLES))
    with torch.inference_mode():
        items, scores = found.list_titles(given_, k, SEEN)
        assert torch.equal(items, found.rank(given_, k, SEEN))
    assert torch.allclose(scores, exhaustive(every, SEEN, k), atol=1e-4)
    assert torch.allclose(scores, every.gather(1, items - 1), atol=1e-4)


# --- the trie


def rows_of(lists: list[list[int]]) -> tuple[Any, Any]:
    """Token lists as padded titles that end with token 0."""
    lengths = np.array([len(found) + 1 for found in lists], dtype=np.int64)
    tokens = np.zeros((len(lists), lengths.max()), dtype=np.int64)
    for row, found in enumerate(lists):
        tokens[row, : len(found)] = found
    return tokens, lengths


def walk(trie: Trie, node: int, path: tuple[int, ...]) -> dict[tuple[int, ...], list[int]]:
    """Every leaf's tokens and items, and a check of what each node says of what is below it."""
    children = range(int(trie.first[node]), int(trie.first[node + 1]))
    below = trie.items[trie.low[node] : trie.high[node]].tolist()
    if not children:
        assert trie.longest[node] == len(path)
        assert trie.titles[node] == 1
        return {path: below}
    tokens = [int(trie.token[child]) for child in children]
    assert tokens == sorted(set(tokens))
    found: dict[tuple[int, ...], list[int]] = {}
    for child, token in zip(children, tokens, strict=True):
        found |= walk(trie, child, (*path, token))
    assert below == list(itertools.chain(*found.values()))
    assert trie.longest[node] == max(map(len, found))
    assert trie.titles[node] == len(found)
    return found


TOKENS = st.lists(st.lists(st.integers(1, 4), max_size=5), min_size=1, max_size=25)


@given(TOKENS)
def test_the_trie_holds_every_title_and_nothing_else(lists: list[list[int]]) -> None:
    trie = build_trie(*rows_of(lists))
    wanted: dict[tuple[int, ...], list[int]] = {}
    for item, found in enumerate(lists, start=1):
        wanted.setdefault((*found, 0), []).append(item)
    assert walk(trie, 0, ()) == wanted
    assert int(trie.first[-1]) == len(trie.token)
    assert [int(trie.items[at]) for at in trie.place[1:]] == list(range(1, len(lists) + 1))
    assert bool(trie.is_leaf(torch.tensor(len(trie.token) - 1)))
    items = torch.arange(1, len(lists) + 1)
    nodes = trie.path(items, 7)
    assert not nodes[:, 0].any()
    for row, found in enumerate(lists):
        assert trie.token[nodes[row, 1 : len(found) + 2]].tolist()[: len(found) + 1] == [*found, 0]


@given(TOKENS, st.lists(st.integers(0, 25), max_size=30))
def test_open_items_are_those_not_seen(lists: list[list[int]], seen: list[int]) -> None:
    trie = build_trie(*rows_of(lists))
    given_ = torch.tensor([[item for item in seen if item <= len(lists)]], dtype=torch.int64)
    nodes = torch.arange(len(trie.token))[None]
    found = trie.open_items(nodes, trie.closed(given_))[0].tolist()
    for node, count in enumerate(found):
        assert count == len(set(trie.items[trie.low[node] : trie.high[node]].tolist()) - set(seen))


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=3, max_size=3), min_size=1, max_size=4)
)
def test_spread_lays_ranges_side_by_side(ranges: list[list[tuple[int, int]]]) -> None:
    pairs = torch.tensor(ranges)
    number, owner, known = spread(pairs[:, :, 0].contiguous(), pairs[:, :, 1].contiguous())
    for row, found in enumerate(ranges):
        wanted = [(start + at, which) for which, (start, count) in enumerate(found) for at in range(count)]
        assert list(zip(number[row][known[row]].tolist(), owner[row][known[row]].tolist(), strict=True)) == wanted


# --- beams, over a language model that is a table


class Table:
    """A language model whose next token depends on the whole path, by a hash: no two titles are alike to it."""

    def __init__(self, rows: int, seed: int) -> None:
        self.seed = seed
        self.state = torch.zeros(rows, 1, dtype=torch.float64)
        self._written: list[Tensor] = []

    def write(self, tokens: Tensor, depth: Tensor, sees: Tensor) -> Tensor:
        self._written.append(tokens)
        path = torch.cat(self._written, 1)[:, None] + 1
        return ((path * sees).double() * (1 + sees.cumsum(2) / 7) ** 3).sum(2, keepdim=True)

    def forget(self) -> None:
        self._written = []

    def logits(self, states: Tensor) -> Tensor:
        return 4 * torch.sin(states * (1 + torch.arange(6)) * 12.9898 + self.seed).float()

    def log_probability(self, title: list[int], rivals: list[list[int]] | None) -> float:
        """Each token among all, or among those of the titles that begin as this one does up to here."""
        total, state = 0.0, self.state[:1, None]
        self.forget()
        for at, token in enumerate(title):
            logits = self.logits(state)[0, 0]
            if rivals is not None:
                allowed = sorted({other[at] for other in rivals if other[:at] == title[:at]})
                total += float(logits[token] - logits[allowed].logsumexp(0))
            else:
                total += float(logits.log_softmax(0)[token])
            sees = torch.ones(1, 1, at + 1, dtype=torch.bool)
            state = self.write(torch.tensor([[token]]), torch.tensor([at]), sees)
        self.forget()
        return total


@settings(deadline=None)
@given(
    lists=TOKENS,
    seen=st.lists(st.lists(st.integers(0, 25), min_size=4, max_size=4), min_size=1, max_size=3),
    k=st.integers(1, 30),
    beams=st.integers(1, 6),
    penalty=st.sampled_from([0.0, 0.7, 1.0]),
    seed=st.integers(0, 9),
    of_catalogue=st.booleans(),
)
def test_beams_name_k_items_that_exist_once_and_unseen(
    lists: list[list[int]],
    seen: list[list[int]],
    k: int,
    beams: int,
    penalty: float,
    seed: int,
    of_catalogue: bool,
) -> None:
    had = torch.tensor(seen) * (torch.tensor(seen) <= len(lists))
    trie = build_trie(*rows_of(lists))
    model = Table(len(seen), seed)
    shares = TokenShares(model.logits, of_catalogue=of_catalogue)

    def search(width: int) -> tuple[Tensor, Tensor]:
        model.forget()
        return best_titles(model, shares, trie=trie, seen=had, k=k, beams=width, length_penalty=penalty)

    items, scores = search(beams)
    for row, found in enumerate(items.tolist()):
        open_ = set(range(1, len(lists) + 1)) - set(had[row].tolist())
        named = [item for item in found if item]
        assert found == named + [0] * (k - len(named))
        assert len(set(named)) == len(named) == min(k, len(open_))
        assert set(named) <= open_
    titles = [[*found, 0] for found in lists]
    rivals = titles if of_catalogue else None
    exact = torch.tensor([[model.log_probability(title, rivals) / len(title) ** penalty for title in titles]])
    value = exhaustive(exact.expand(len(seen), -1), had, k)
    for named, given_ in ((items, scores), (wide := search(1000))):
        alone = torch.where(named > 0, exact[0][(named - 1).clamp(min=0)], -torch.inf)
        assert torch.allclose(given_, alone, atol=1e-4), "also narrow beams know the exact score of what they found"
    assert torch.allclose(wide[1][:, : value.shape[1]], value, atol=1e-4)


# --- the real thing


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("share", ["vocabulary", "catalogue"])
def test_wide_beams_rank_as_scoring_all_titles_does(penalty: float, share: str) -> None:
    check_wide(writer(beams=100, length_penalty=penalty, share=share), 12)


def test_shares_of_the_catalogue_sum_to_one_over_its_titles() -> None:
    found = writer(length_penalty=0, share="catalogue")
    scores = every_item(found, histories(LISTS, 20), len(TITLES))
    different = [item for item, title in enumerate(TITLES) if " ".join(title.split()) not in
                 {" ".join(before.split()) for before in TITLES[:item]}]  # fmt: skip
    assert torch.allclose(scores[:, different].exp().sum(1), torch.ones(len(LISTS)), atol=1e-4)
    assert different == [0, 1, 2, 4, 5, 6, 7, 9, 11, 12, 13, 14]


def test_scores_are_those_of_the_whole_model() -> None:
    found = writer()
    scores = every_item(found, histories(LISTS, 20), len(TITLES))
    ends, prompts = MODEL.end, found.prompts.render(histories(LISTS, 20).last(10))
    for row, item in itertools.product(range(len(LISTS)), range(len(TITLES))):
        head = prompts.tokens[row, : prompts.lengths[row]].tolist()
        tail = [*MODEL.tokenizer.pieces([f" {' '.join(TITLES[item].split())}"])[0], ends]
        with torch.inference_mode():
            logits = MODEL.model(input_ids=torch.tensor([head + tail])).logits[0, len(head) - 1 : -1]
        alone = logits.log_softmax(1)[torch.arange(len(tail)), tail].mean()
        assert torch.allclose(alone, scores[row, item], atol=1e-4)


def test_equal_titles_are_items_of_equal_score_and_one_can_be_seen_without_the_other() -> None:
    found = writer(beams=20)
    with torch.inference_mode():
        items, scores = found.list_titles(histories([[3], [3]], 10), 15, torch.tensor([[0], [1]]))
    both, one_left = items.tolist()
    at = both.index(1)
    assert both[at + 1] == 4, "equal titles stand together, the smaller id first"
    assert scores[0, at] == scores[0, at + 1]
    assert 4 in one_left
    assert 1 not in one_left
    assert sorted(both) == list(range(1, 16))


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    found = writer()
    given_ = histories(LISTS, 20)
    candidates = torch.tensor([[1, 2, 15, 0], [3, 3, 5, 6], [15, 14, 1, 2], [7, 8, 9, 10]])
    with torch.inference_mode():
        scores = found.score(given_, candidates)
        items, values = found.list_titles(given_, 7, SEEN)
        for row in range(len(LISTS)):
            rows = slice(row, row + 1)
            assert torch.allclose(found.score(one(given_, row), candidates[rows]), scores[rows], atol=1e-5)
            alone = found.list_titles(one(given_, row), 7, SEEN[rows])
            assert torch.equal(alone[0], items[rows])
            assert torch.allclose(alone[1], values[rows], atol=1e-5)


@pytest.mark.parametrize("share", ["vocabulary", "catalogue"])
def test_half_precision_gives_nearly_the_same(share: str) -> None:
    found = writer(share=share)
    given_, targets = histories(LISTS, 20), torch.tensor([[1], [8], [5], [15]])
    with torch.inference_mode():
        exact, loss = found.score(given_, targets), found.loss(given_, targets)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.allclose(found.score(given_, targets), exact, atol=0.2)
            assert torch.allclose(found.loss(given_, targets), loss, atol=0.2)
            assert bool((found.rank(given_, 5, SEEN) > 0).all())


def test_many_candidates_are_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = writer()
    given_ = histories(LISTS, 20)
    whole = every_item(found, given_, len(TITLES))
    monkeypatch.setattr("sasrec_llm.strategies.writing.title_writer.WRITTEN", 40)
    monkeypatch.setattr("sasrec_llm.strategies.writing.title_writer.TOKENS", 40)
    assert torch.allclose(every_item(found, given_, len(TITLES)), whole, atol=1e-5)


def test_a_catalogue_that_is_used_up_leaves_zeros() -> None:
    found = writer()
    seen = torch.cat([torch.arange(1, 14), torch.arange(1, 14)])[None]
    with torch.inference_mode():
        items = found.rank(histories([[1]], 5), 5, seen)
        none = found.rank(histories([[1]], 5), 3, torch.arange(1, 16)[None])
        fresh = found.rank(histories([[]], 5), 20, torch.zeros(1, 0, dtype=torch.int64))
    assert sorted(items[0, :2].tolist()) == [14, 15]
    assert items[0, 2:].tolist() == [0, 0, 0]
    assert none.tolist() == [[0, 0, 0]]
    assert sorted(fresh[0].tolist()) == [0] * 5 + list(range(1, 16))


@pytest.mark.parametrize(("bos", "eos"), list(itertools.product([True, False], repeat=2)))
def test_tokenizers_with_and_without_start_and_end(bos: bool, eos: bool) -> None:
    tokenizer = make_tokenizer([*TITLES, "A person"], BuiltInLlamaSettings(vocabulary=380))
    if not bos:
        tokenizer.bos_token = None
    if not eos:
        tokenizer.eos_token = None
    check_wide(writer(model=backbone(tokenizer=tokenizer), beams=50), 10)


def test_an_end_that_stands_in_a_title_is_refused() -> None:
    with pytest.raises(ModelError, match=r"token 7 is also in 'Heat"):
        title_tokens(["Alien", "Heat (1995)"], Spelled(), 7, 9)


class Spelled:
    def opening(self, text: str) -> list[int]:
        return [1]

    def pieces(self, texts: Any) -> list[list[int]]:
        return [[3, 7] if "Heat" in text else [3] for text in texts]


def test_long_titles_are_cut_and_must_leave_room() -> None:
    found = writer(title_tokens=2, beams=50)
    scores = every_item(found, histories([[1]], 5), len(TITLES))
    assert scores[0, 2] == scores[0, 7], "both begin as Heat does"
    with pytest.raises(UsageError, match="leave no room in the backbone's context of 8"):
        writer(model=backbone(max_position_embeddings=8))


def test_learning_lowers_the_loss_and_names_what_was_learned() -> None:
    model = backbone(seed=1, lora=LoRASettings(r=8, dropout=0.0, targets=["q_proj", "v_proj", "o_proj", "down_proj"]))
    found = strategy(model=model)
    chosen = found.recommender("title")
    assert isinstance(chosen, TitleWriter)
    given_, targets = histories([[3], [8]], 10), torch.tensor([[12], [13]])
    (lora,) = found.parts().values()
    weights = [weight.requires_grad_(True) for weight in lora.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=1e-2)
    losses = []
    for _ in range(60):
        loss = chosen.loss(given_, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    with torch.inference_mode():
        assert chosen.rank(given_, 1, torch.zeros(2, 1, dtype=torch.int64)).tolist() == [[12], [13]]
    frozen = [weight for name, weight in model.named_parameters() if "lora_" not in name]
    assert all(weight.grad is None for weight in frozen)


def test_the_loss_is_the_mean_over_title_tokens_alone() -> None:
    found = writer()
    given_, targets = histories(LISTS, 20), torch.tensor([[1], [8], [5], [15]])
    with torch.inference_mode():
        scores = found.score(given_, targets)
        count = found._lengths[targets]
        assert float(found.loss(given_, targets)) == pytest.approx(
            float(-(scores * count).sum() / count.sum()), abs=1e-5
        )


def test_a_recipe_trains_ranks_and_lists(place: Workspace) -> None:
    steps = Counter()
    outcome = do(
        {
            "name": "writes",
            "data": {"use": "demo", "protocol": "leave-one-out"},
            "backbone": {**TINY, "lora": {"r": 2}},
            "strategy": {"use": "llm-seq-prompt", "titles": 3, "beams": 5},
            "stages": {"title": stage("title", ["lora"], batch_size=8, valid_rows=20)},
            "evaluate": {"floors": ["constant"], "batch_size": 64},
        },
        place,
        steps,
    )
    assert steps.steps == {"title": 6}
    figures = outcome.tables["test"][0].values("writes")
    assert 0 <= float(figures["ndcg@10"] or 0) <= float(figures["hr@10"] or 0) <= 1
    assert float(figures["coverage@20"] or 0) > 0
