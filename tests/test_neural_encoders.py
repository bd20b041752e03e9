"""What each trained encoder claims beyond the common contract, which tests/test_components.py checks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm.interfaces import Histories, Sequences
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing import check_encoder, context, histories
from sasrec_llm.testing.world import N_ITEMS, N_USERS

KNOWN = Plugins()
KNOWN.load()
LOSSES = ("softmax", "sampled-softmax", "gbce")
SEQUENTIAL = ("sasrec", "gru4rec", "bert4rec")
LISTS: list[list[int]] = [[], [1], [4, 2, 9], list(range(1, 16))]


def make(name: str, **settings: Any) -> Any:
    component = KNOWN.get("encoders", name)
    torch.manual_seed(3)
    encoder = component.make(component.settings.model_validate(settings), context())
    encoder.train(False)
    return encoder


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mf", {"biases": False}),
        ("mf", {"loss": "gbce", "width": 3, "dropout": 0.2}),
        ("ncf", {"width": 4, "mlp": [6], "dropout": 0}),
        ("gru4rec", {"layers": 2, "hidden": 24, "width": 16}),
        ("gru4rec", {"loss": "sampled-softmax", "max_length": 5}),
        ("bert4rec", {"mask_last": 1, "max_length": 5}),
        ("bert4rec", {"mask_prob": 1, "mask_last": 0, "loss": "gbce"}),
    ],
)
def test_other_settings_keep_the_same_promises(name: str, settings: dict[str, Any]) -> None:
    check_encoder(KNOWN.get("encoders", name), settings)


def test_mf_has_biases_or_has_none() -> None:
    given, candidates = histories([[], []], 1), torch.arange(1, N_ITEMS + 1).expand(2, -1)
    plain, biased = make("mf", biases=False), make("mf")
    assert set(plain.state_dict()) == {"users.weight", "items.weight"}
    assert plain.score(given, candidates).abs().max() < 0.02, "it starts with no opinion"
    assert biased.score(given, candidates).abs().max() < 0.02
    with torch.no_grad():
        nn.init.normal_(biased.item_bias.weight)
        nn.init.normal_(biased.user_bias.weight)
        biased.offset.fill_(0.5)
        users, items = given.users[:, None], candidates
        factors = torch.einsum("bh,bch->bc", biased.user_vectors(given), biased.item_vectors(items))
        whole = factors + biased.user_bias(users)[..., 0] + biased.item_bias(items)[..., 0] + 0.5
        assert torch.allclose(biased.score(given, candidates), whole, atol=1e-6)
        nobody = Histories(given.items, given.lengths, torch.zeros(2, dtype=torch.int64), given.times)
        left = biased.item_bias(items)[..., 0] + 0.5 + biased.user_bias.weight[0]
        assert torch.allclose(biased.score(nobody, candidates), left, atol=1e-6), "an unknown user has the biases"
    assert biased.user_vectors(given).shape == (2, biased.width)


def test_mf_learns_next_items_from_every_item_of_a_sequence() -> None:
    encoder = make("mf")
    sequences = Sequences(torch.tensor([[0, 3, 4], [0, 0, 5]]), torch.tensor([1, 2]), torch.zeros(2))
    every = encoder.score_all(sequences.inputs)[:, 1:]
    asked = every[[0, 0, 1]]
    assert torch.allclose(encoder.next_item_loss(sequences), F.cross_entropy(asked, torch.tensor([2, 3, 4])))


def test_ncf_answers_with_logits_and_is_both_halves() -> None:
    encoder = make("ncf", width=2, mlp=[8, 4])
    assert encoder.width == 2 + 4
    given, candidates = histories([[]], 1), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        encoder.out.weight[:, 2:] = 0  # the network is not heard
        encoder.out.weight[:, :2] = 1
        encoder.out.bias.fill_(-3)
        user, items = encoder.user_vectors(given)[:, None], encoder.item_vectors(candidates)
        product = (user[..., :2] * items[..., :2]).sum(-1) - 3
        assert torch.allclose(encoder.score(given, candidates), product, atol=1e-6), "not between 0 and 1"
        encoder.out.weight[:, :2] = 0
        encoder.out.weight[:, 2:] = 1
        pair = torch.cat([user[..., 2:].expand(1, 3, 4), items[..., 2:]], dim=-1)
        hidden = F.relu(F.linear(pair, encoder.mlp[0].weight, encoder.mlp[0].bias)).sum(-1) - 3
        assert torch.allclose(encoder.score(given, candidates), hidden, atol=1e-6)


@pytest.mark.parametrize("mlp", [[7, 4], [8, 0], []])
def test_layers_that_cannot_be_are_refused(mlp: list[int]) -> None:
    with pytest.raises(ValueError, match="mlp"):
        KNOWN.get("encoders", "ncf").settings.model_validate({"mlp": mlp})


def test_gru_in_a_padded_batch_is_the_gru_on_each_history_alone() -> None:
    encoder = make("gru4rec", layers=2, hidden=24)
    with torch.no_grad():
        states, users = encoder.states(histories(LISTS, 20)), encoder.user_vectors(histories(LISTS, 20))
        assert torch.equal(users[0], encoder.empty)
        for row, found in enumerate(LISTS):
            if found:
                alone = encoder.out(encoder.gru(encoder.items(torch.tensor([found])))[0])[0]
                assert torch.allclose(states[row, -len(found) :], alone, atol=1e-6)
                assert torch.allclose(users[row], alone[-1], atol=1e-6)


def test_bert_does_not_see_what_stands_in_a_gap() -> None:
    encoder = make("bert4rec")
    items = torch.tensor([[0, 1, 2, 3, 4, 5]])
    gaps = torch.tensor([[False, False, True, False, False, True]])
    other = items.masked_fill(gaps, 17)
    with torch.no_grad():
        assert torch.equal(encoder.fill(items, gaps), encoder.fill(other, gaps))
        changed = torch.tensor([[0, 1, 2, 3, 17, 5]])
        moved = (encoder.fill(items, gaps) - encoder.fill(changed, gaps)).abs().amax(-1)[0]
    assert (moved[1:] > 1e-6).all(), "all others see a known item, also those before it"


def test_bert_recommends_items_and_never_the_mask() -> None:
    encoder = make("bert4rec")
    assert encoder.items.num_embeddings == N_ITEMS + 1, "the mask is no row of the table"
    assert encoder.score_all(histories([[1, 2]], 4)).shape == (1, N_ITEMS + 1)


def test_bert_asks_at_prediction_what_it_asked_in_training() -> None:
    """The gap behind a history is the last item's place with that item hidden."""
    encoder = make("bert4rec", max_length=3)
    given, items = histories([[7, 1, 2, 3]], 4), torch.tensor([[1, 2, 3, 9]])
    gaps = torch.tensor([[False, False, False, True]])
    with torch.no_grad():
        assert torch.equal(encoder.user_vectors(given), encoder.fill(items, gaps)[:, -1])


def test_gaps_of_bert() -> None:
    items = torch.randint(1, N_ITEMS + 1, (2000, 10))
    items[:500, :6] = 0
    items[0] = 0
    many = make("bert4rec", mask_prob=0.3, mask_last=0)
    gaps = many.choose_gaps(items)
    assert not gaps[items == 0].any()
    assert gaps[1:].any(1).all(), "at least one"
    assert float(gaps[500:].float().mean()) == pytest.approx(0.3, abs=0.02)
    rare = make("bert4rec", mask_prob=1e-6, mask_last=0).choose_gaps(items)
    assert (rare[1:].sum(1) == 1).all()
    assert (rare[500:].sum(0) > 80).all(), "at any place"
    last = make("bert4rec", mask_prob=0.3, mask_last=1).choose_gaps(items)
    assert last[1:, -1].all()
    assert last.sum() == len(items) - 1
    torch.manual_seed(5)
    again = many.choose_gaps(items)
    torch.manual_seed(5)
    assert torch.equal(again, many.choose_gaps(items)), "it depends on torch's seed alone"


@pytest.mark.parametrize("name", SEQUENTIAL)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_sequential_encoder_learns_what_follows_what(name: str, loss: str) -> None:
    encoder = make(name, loss=loss, width=32, dropout=0.0, max_length=6, negatives=16)
    start = torch.arange(N_ITEMS)
    circle = (start[:, None] + torch.arange(7)) % N_ITEMS + 1  # 1 -> 2 -> 3 ... -> 20 -> 1
    items = torch.cat([circle.masked_fill(torch.arange(7) < padding, 0) for padding in (0, 3, 5)])
    of_all = torch.ones(len(items), dtype=torch.int64)
    rate = 1e-2 if name == "gru4rec" else 3e-3
    hard = (name, loss) == ("bert4rec", "gbce")  # few gaps, and at first most of the loss is that likes are rare
    losses = train(encoder, Sequences(items, of_all, of_all), steps=1000 if hard else 300, rate=rate)
    assert sum(losses[-20:]) < 0.25 * sum(losses[:20])
    with torch.inference_mode():
        best = encoder.score_all(Histories(items[:, :-1], of_all, of_all, of_all))[:, 1:].argmax(1) + 1
    assert torch.equal(best, items[:, -1]), "after histories of 6, 3 and 1 items"


@pytest.mark.parametrize("loss", LOSSES)
def test_mf_learns_what_each_user_likes(loss: str) -> None:
    encoder = make("mf", loss=loss, width=16, negatives=16)
    users = torch.arange(1, N_USERS + 1)
    items = users[:, None] * 3 + torch.arange(3)
    train(encoder, Sequences(items, users, users), steps=300)
    with torch.inference_mode():
        best = encoder.score_all(Histories(items, users, users, users))[:, 1:].topk(3).indices + 1
    assert torch.equal(best.sort(1).values, items)


def test_ncf_learns_what_each_user_likes() -> None:
    encoder = make("ncf", dropout=0.0)
    users = torch.arange(1, N_USERS + 1)
    every = torch.arange(1, N_ITEMS + 1).expand(N_USERS, -1)
    likes = (every % N_USERS == users[:, None] % N_USERS).float()
    given = histories([[]] * N_USERS, 1)
    losses = descend(encoder, lambda: F.binary_cross_entropy_with_logits(encoder.score(given, every), likes), steps=300)
    assert losses[-1] < 0.05
    assert torch.equal(encoder.score(given, every) > 0, likes > 0)


def train(encoder: Any, sequences: Sequences, steps: int, rate: float = 1e-2) -> list[float]:
    return descend(encoder, lambda: encoder.next_item_loss(sequences), steps, rate)


def descend(encoder: Any, loss: Any, steps: int, rate: float = 1e-2) -> list[float]:
    torch.manual_seed(0)
    encoder.train(True)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=rate)
    found: list[float] = []
    for _ in range(steps):
        value: Tensor = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        found.append(float(value.detach()))
    encoder.train(False)
    return found
