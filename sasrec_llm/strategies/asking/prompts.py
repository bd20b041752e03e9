"""Prompts as token ids and slot positions, put together by indexing.

Every title is tokenised once. A batch is a matrix of piece numbers, and one gather turns it into tokens. A slot is a
position, never a magic token, so a title that reads `<UserID>` is just text.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sasrec_llm.errors import ModelError, UsageError
from sasrec_llm.interfaces import TextTokenizer
from sasrec_llm.strategies.asking.prompt_batch import PromptBatch
from sasrec_llm.strategies.asking.template import FIELDS, parse, read_template
from sasrec_llm.strategies.settings import HistorySettings

log = logging.getLogger(__name__)
EMPTY = 0  # the piece with no tokens


class Prompts:
    """Renders one template for one tokenizer and one catalogue."""

    def __init__(
        self,
        *,
        settings: HistorySettings,
        tokenizer: TextTokenizer,
        item_texts: Sequence[str],
        context: int,
        answers: Sequence[str],
        fields: Sequence[str] = FIELDS,
        slot_tokens: int = 0,
        history_slots: bool = False,
        before: Sequence[int] = (),
    ) -> None:
        """`slot_tokens` is K, the soft tokens of each slot; 0 leaves the slots out of the prompt. `history_slots` puts
        one behind every title of the history. `before`: what the prompt begins with, such as solved examples. Without
        `answers` the prompt ends where something else is written."""
        self.titles = settings.titles
        self.tokenizer = tokenizer
        self.slot_tokens = slot_tokens
        self.max_tokens = min(settings.max_tokens, context)
        self._warned = False
        pieces = parse(read_template(settings.template), slots=slot_tokens > 0, fields=fields)
        tail, self.answer_tokens = self._answers(pieces[-1].text, answers, tokenizer)
        self.answers = [tokens[0] for tokens in self.answer_tokens]

        table: list[list[int]] = []

        def add(ids: list[int]) -> int:
            table.append(ids)
            return len(table) - 1

        add([])  # EMPTY
        opening, rest = (pieces[0].text, pieces[1:-1]) if not pieces[0].field else ("", pieces[:-1])
        first = [*before, *tokenizer.pieces([opening])[0]] if before else tokenizer.opening(opening)
        self.bos_length = len(tokenizer.opening(""))
        self._columns: list[int | str] = [add(first)]  # numbers of pieces, or fields
        self._slot = add([0] * slot_tokens)
        self._history_slot = self._slot if history_slots and slot_tokens else EMPTY
        for piece in rest:
            if piece.text and piece.field not in ("history", "target"):  # titles bring their own space
                self._columns.append(add(tokenizer.pieces([piece.text])[0]))
            if piece.field:
                self._columns.append(piece.field)
        self._columns.append(add(tail))
        comma, nothing = tokenizer.pieces([",", f" {settings.no_titles}"])
        self._comma, self._nothing = add(comma), add(nothing)
        self._title = add([])  # item 0 is padding
        table += tokenizer.pieces([f' "{text}"' for text in item_texts])
        self._lengths = np.array([len(ids) for ids in table])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._tokens = np.fromiter((token for ids in table for token in ids), dtype=np.int64)
        self._check_room(item_texts)

    def _answers(
        self, tail: str, answers: Sequence[str], tokenizer: TextTokenizer
    ) -> tuple[list[int], list[list[int]]]:
        """Tokens of the prompt's end, and those of each answer from the one in which the answers begin to differ."""
        if not answers:
            return tokenizer.pieces([tail])[0], []
        found = tokenizer.pieces([tail + answer for answer in answers])
        same = 0
        while all(len(ids) > same for ids in found) and len({ids[same] for ids in found}) == 1:
            same += 1
        heads = {ids[same] for ids in found if len(ids) > same}
        if len(heads) < len(answers):
            listed = ", ".join(repr(answer) for answer in answers)
            raise ModelError(
                f"this tokenizer cannot tell the answers {listed} apart by one token",
                hint="Choose answers that begin differently: strategy.answers",
            )
        return found[0][:same], [ids[same:] for ids in found]

    def _check_room(self, item_texts: Sequence[str]) -> None:
        """Question and target, if it asks about one, must fit whole, whatever the target."""
        longest = int(self._lengths[self._title :].argmax())
        parts = {"history": self._nothing, "target": self._title + longest, "user": self._slot, "item": self._slot}
        need = int(sum(self._lengths[parts.get(str(column), column)] for column in self._columns))
        if need > self.max_tokens:
            about = f" for the item {item_texts[longest - 1][:60]!r}" if "target" in self._columns else ""
            raise UsageError(
                f"a prompt of {self.max_tokens} tokens is too short: without any history it takes {need}{about}",
                hint="Raise strategy.max_tokens, take a backbone with a longer context, or shorten the template",
            )

    def render(self, history: Tensor, targets: Tensor | None = None) -> PromptBatch:
        """history [B, n] item ids, left-padded with 0; targets [B], if the template asks about one -> prompts."""
        asked = torch.zeros(len(history), dtype=torch.int64) if targets is None else targets
        matrix, slots, dropped = self._pieces(history.cpu().numpy(), asked.cpu().numpy())
        lengths = self._lengths[matrix]  # [B, columns]
        ends = np.cumsum(lengths, axis=1)
        total = ends[:, -1]
        flat = lengths.ravel()
        index = np.repeat(self._starts[matrix].ravel() - (np.cumsum(flat) - flat), flat) + np.arange(flat.sum())
        tokens = np.zeros((len(matrix), int(total.max())), dtype=np.int64)
        tokens[np.arange(tokens.shape[1]) < total[:, None]] = self._tokens[index]
        starts = (ends - lengths)[:, :, None] + np.arange(self.slot_tokens)  # [B, columns, K]
        positions = {
            field: torch.from_numpy(np.where(lengths[:, columns, None] > 0, starts[:, columns], -1))
            for field, columns in slots.items()
        }
        if dropped.any() and not self._warned:
            self._warned = True
            log.warning(
                "prompts are cut to %d tokens: in this batch the oldest %d titles of %d prompts were dropped",
                self.max_tokens,
                dropped.sum(),
                np.count_nonzero(dropped),
            )
        return PromptBatch(torch.from_numpy(tokens), torch.from_numpy(total), positions, torch.from_numpy(dropped))

    def _pieces(
        self, history: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], dict[str, slice], NDArray[np.int64]]:
        """The matrix of piece numbers [B, columns], with the oldest titles left out where the prompt is too long."""
        rows, n = len(targets), self.titles
        history = history[:, max(history.shape[1] - n, 0) :]
        history = np.concatenate([np.zeros((rows, n - history.shape[1]), np.int64), history], axis=1)
        columns: list[NDArray[np.int64]] = []
        slots: dict[str, slice] = {}
        at = slice(0, 0)
        for column in self._columns:
            if column == "history":
                at = slice(len(columns), len(columns) + 3 * n + 1)
                columns += [np.full(rows, EMPTY)] * (3 * n + 1)
                if self._history_slot != EMPTY:
                    slots[column] = slice(at.start + 2, at.stop, 3)
            elif column == "target":
                columns.append(self._title + targets)
            elif isinstance(column, str):
                slots[column] = slice(len(columns), len(columns) + 1)
                columns.append(np.full(rows, self._slot))
            else:
                columns.append(np.full(rows, column))
        matrix = np.stack(columns, axis=1)
        room = self.max_tokens - self._lengths[matrix].sum(axis=1)
        sizes = self._lengths[self._title + history] + self._lengths[[self._history_slot, self._comma]].sum()
        from_newest = np.cumsum(sizes[:, ::-1], axis=1)[:, ::-1]
        kept = (history != 0) & (from_newest <= room[:, None])
        dropped = (history != 0).sum(axis=1) - kept.sum(axis=1)
        block = np.full((rows, 3 * n + 1), EMPTY)  # nothing, or (title, slot, comma) for each
        block[:, 1::3] = np.where(kept, self._title + history, EMPTY)
        block[:, 2::3] = np.where(kept, self._history_slot, EMPTY)
        block[:, 3:-1:3] = np.where(kept[:, :-1], self._comma, EMPTY)  # no comma after the last
        block[~kept.any(axis=1), 0] = self._nothing
        matrix[:, at] = block
        return matrix, slots, dropped
