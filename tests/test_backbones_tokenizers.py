"""Prompts from pieces, for every common kind of tokenizer: made here, and real ones where the real data is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from sasrec_llm.backbones.text import PieceTokenizer
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.settings import TextPromptSettings
from tests.tiny_models import KINDS

REAL = ("llama2-tokenizer", "stories260K")
TITLES = (
    "Heat (1995)",
    "<unk>",
    "</s><s>",
    "<|endoftext|>",
    "a [MASK] of [SEP]",
    'The "Quoted" one\'s',
    "two\nlines\n",
    " leading and trailing ",
    "double  spaces",
    "emoji 🎬 and Ünïcødé",
    "0.5-Fluid Ounce, 100% $5",
    " ",
    "",
)


@pytest.fixture(params=[*KINDS, *REAL], scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    if request.param in KINDS:
        return KINDS[request.param]()
    shared: Path = request.getfixturevalue("shared")
    return AutoTokenizer.from_pretrained(str(shared / request.param))


def ids(tokenizer: Any, text: str) -> list[int]:
    """The whole text at once. A space breaks the names that a unigram model knows as words."""
    for name in ("<unk>", "<s>", "</s>") if type(tokenizer.backend_tokenizer.model).__name__ == "Unigram" else ():
        text = text.replace(name, f"{name[0]} {name[1:]}")
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def words(tokenizer: Any, tokens: list[int]) -> str:
    """What the tokens say, whatever a tokenizer does to spaces."""
    return "".join(tokenizer.decode(tokens, clean_up_tokenization_spaces=False).split())


@pytest.mark.parametrize("title", TITLES, ids=range(len(TITLES)))
def test_a_title_is_plain_text(tokenizer: Any, title: str) -> None:
    """Nothing in it is obeyed; it says what it would say alone, and it is spelled as in the whole text."""
    found = PieceTokenizer(tokenizer)
    opening, (piece, after) = found.opening("A user liked"), found.pieces([f' "{title}"', " very much"])
    special = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    assert not special & {*piece}
    whole = ids(tokenizer, f'A user liked "{title}" very much')
    joined = [*opening, *piece, *after][len(found.start) :]
    assert words(tokenizer, joined) == words(tokenizer, whole)
    assert joined == whole, "a space is where every tokenizer starts a word"
    assert joined.count(tokenizer.unk_token_id) == whole.count(tokenizer.unk_token_id)


@pytest.mark.parametrize("title", ["<unk>", "[UNK]", "<s>"])
def test_the_name_of_the_unknown_token_is_not_it(tokenizer: Any, title: str) -> None:
    (piece,) = PieceTokenizer(tokenizer).pieces([f" {title} a"])
    assert tokenizer.unk_token_id not in piece
    assert len(piece) >= 3


def test_tags_that_are_tokens_without_being_special_are_spelled_too() -> None:
    """As <think> in Qwen 3; an ordinary added word, or a run of spaces, stays the token it is."""
    made = KINDS["gpt"]()
    made.add_tokens(["<think>", "\n\n\n", "Heat"])
    think, spaces, word = made.convert_tokens_to_ids(["<think>", "\n\n\n", "Heat"])
    (piece,) = PieceTokenizer(made).pieces([" a <think>\n\n\n Heat"])
    assert think not in piece
    assert {spaces, word} <= {*piece}


@pytest.mark.parametrize("text", ["", "\n", "\n\nLines", ": a", "...", "a", ", b", " a", "  a", '",', "'s own", "Yes"])
def test_pieces_say_their_text(tokenizer: Any, text: str) -> None:
    """Also those that would melt into the anchor they are tokenised behind."""
    (piece,) = PieceTokenizer(tokenizer).pieces([text])
    assert words(tokenizer, piece) == words(tokenizer, ids(tokenizer, text))
    assert bool(piece) == bool(ids(tokenizer, text))


def test_an_opening_is_what_the_tokenizer_makes_of_a_text(tokenizer: Any) -> None:
    """With the start token where the tokenizer puts one, without an end token where it puts one."""
    text = "A user has given"
    own = list(tokenizer(text)["input_ids"])
    opening = PieceTokenizer(tokenizer).opening(text)
    assert opening == own[: len(opening)]
    assert {*own[len(opening) :]} <= {tokenizer.eos_token_id, tokenizer.sep_token_id}
    assert opening[-len(ids(tokenizer, text)) :] == ids(tokenizer, text)


def prompts(tokenizer: Any, slot_tokens: int = 0) -> Prompts:
    return Prompts(
        settings=TextPromptSettings(max_tokens=4000),
        tokenizer=PieceTokenizer(tokenizer),
        item_texts=TITLES,
        context=4000,
        answers=TextPromptSettings().answers,
        slot_tokens=slot_tokens,
    )


def test_a_prompt_is_the_tokens_of_its_text(tokenizer: Any) -> None:
    """Apart from a title's closing quote and what follows it, which a whole text may join into one token."""
    batch = prompts(tokenizer).render(torch.tensor([[1, 11], [3, 2]]), torch.tensor([6, 10]))
    for row, (history, target) in enumerate([((1, 11), 6), ((3, 2), 10)]):
        tokens = batch.tokens[row, : batch.lengths[row]].tolist()
        text = (
            "#Question: A user has given high ratings to the following items: "
            + ", ".join(f'"{TITLES[item - 1]}"' for item in history)
            + ". Using all available information, predict whether the user would enjoy the item titled "
            + f'"{TITLES[target - 1]}"? Answer with "Yes" or "No".\n#Answer:'
        )
        whole = ids(tokenizer, text)
        mine = tokens[len(PieceTokenizer(tokenizer).start) :]
        assert words(tokenizer, mine) == words(tokenizer, whole)
        joins = 3  # two titles of the history and the target
        assert sum(token not in whole for token in mine) <= 2 * joins
        assert abs(len(mine) - len(whole)) <= joins


def test_answers_are_one_token_each_where_they_first_differ(tokenizer: Any) -> None:
    """Most have "Yes" as one token only behind a space; the answers are asked for as they follow the prompt."""
    yes, no = prompts(tokenizer).answers
    assert yes != no
    assert not {yes, no} & {*tokenizer.all_special_ids}
    shown = [tokenizer.convert_ids_to_tokens(token).strip("▁Ġ").lower() for token in (yes, no)]
    assert "yes".startswith(shown[0])
    assert "no".startswith(shown[1])
    text = "#Answer:"
    after = [ids(tokenizer, f"{text} {answer}")[len(ids(tokenizer, text)) :] for answer in ("Yes", "No")]
    assert yes in after[0]
    assert no in after[1]


def test_slots_are_positions(tokenizer: Any) -> None:
    batch = prompts(tokenizer, slot_tokens=2).render(torch.tensor([[0, 1]]), torch.tensor([5]))
    plain = prompts(tokenizer).render(torch.tensor([[0, 1]]), torch.tensor([5]))
    assert {field: found.numel() for field, found in batch.slots.items()} == {"user": 2, "item": 2}
    kept = torch.ones(int(batch.lengths[0]), dtype=torch.bool)
    for found in batch.slots.values():
        kept[found.flatten()] = False
    shown = words(tokenizer, batch.tokens[0][kept].tolist())
    assert "feature" in shown
    assert int(batch.lengths[0]) > int(plain.lengths[0])
