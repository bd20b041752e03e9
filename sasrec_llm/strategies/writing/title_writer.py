"""A language model that writes the next title, held to the titles of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sasrec_llm.errors import ModelError
from sasrec_llm.interfaces import Histories, Reading, TextTokenizer, WritingBackbone
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.writing.beams import best_titles
from sasrec_llm.strategies.writing.token_shares import TokenShares, pick
from sasrec_llm.strategies.writing.trie import build_trie

WRITTEN = 512  # tokens written behind a prompt at a time
TOKENS = 8192  # the same of all users
BEAMS = 1024  # beams of all users at a time


class TitleWriter:
    """score = log p(title, end | prompt) / tokens ^ length_penalty."""

    def __init__(
        self,
        *,
        backbone: WritingBackbone,
        prompts: Prompts,
        titles: NDArray[np.int64],
        lengths: NDArray[np.int64],
        beams: int,
        length_penalty: float,
        of_catalogue: bool,
    ) -> None:
        """`titles` [N + 1, T] with their end tokens, padded with them, `lengths` [N + 1]; row 0 is of no item.
        `of_catalogue`: a token competes with those that go on to a title, not with the whole vocabulary."""
        self.backbone = backbone
        self.prompts = prompts
        self.beams = beams
        self.length_penalty = length_penalty
        self._titles, self._lengths = torch.from_numpy(titles), torch.from_numpy(lengths)
        self._trie = build_trie(titles[1:], lengths[1:])
        self._shares = TokenShares(backbone.logits, of_catalogue=of_catalogue)

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """[B, C] -> [B, C]"""
        longest = self._titles.shape[1]
        at_once = min(candidates.shape[1], max(WRITTEN // longest, 1))
        rows = []
        for part, asked in split(histories, candidates, max(TOKENS // (at_once * longest), 1)):
            prompts = self._read(part)
            found = []
            for items in torch.split(asked, at_once, dim=1):
                losses, known = self.token_losses(prompts, items)
                found.append(-losses.sum(2) / known.sum(2) ** self.length_penalty)
                prompts.forget()
            rows.append(torch.cat(found, dim=1))
        return torch.cat(rows)

    def loss(self, histories: Histories, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the tokens of the titles [B, C] -> []"""
        losses, known = self.token_losses(self._read(histories), targets)
        return losses.sum() / known.sum()

    def rank(self, histories: Histories, k: int, seen: Tensor) -> Tensor:
        return self.list_titles(histories, k, seen)[0]

    def list_titles(self, histories: Histories, k: int, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The best k items and their scores, both [B, k]."""
        trie = self._trie.to(str(seen.device))
        found = [
            best_titles(
                self._read(part),
                self._shares,
                trie=trie,
                seen=known,
                k=k,
                beams=self.beams,
                length_penalty=self.length_penalty,
            )
            for part, known in split(histories, seen, max(BEAMS // max(self.beams, k), 1))
        ]
        return torch.cat([items for items, _ in found]), torch.cat([scores for _, scores in found])

    def token_losses(self, prompts: Reading, items: Tensor) -> tuple[Tensor, Tensor]:
        """-log p of the tokens of titles [B, C] -> [B, C, T], 0 where nothing is told; and where a title has tokens.

        All titles of a row are written at once, each blind to the others.
        """
        device = items.device
        lengths = self._lengths.to(device)[items]
        longest = int(lengths.max())
        tokens = self._titles.to(device)[items][:, :, :longest]
        known = torch.arange(longest, device=device) < lengths[:, :, None]
        rows, count = items.shape
        before = prompts.state[:, None, None].expand(-1, count, 1, -1)  # what the first token is told from
        if longest > 1:
            depth = torch.arange(longest - 1, device=device)
            title = torch.arange(count, device=device).repeat_interleave(longest - 1)
            sees = (title[:, None] == title).tril().expand(rows, -1, -1)
            states = prompts.write(tokens[:, :, :-1].flatten(1), depth.repeat(count), sees)  # [B, C * (T - 1), D]
            before = torch.cat([before, states.view(rows, count, longest - 1, -1)], dim=2)
        trie = self._trie.to(str(device))
        nodes = trie.path(items.clamp(min=1), longest)
        told = known & (trie.titles[nodes] > 1) if self._shares.of_catalogue else known  # the rest is certain
        logits = self._shares.logits(before[told])[None]  # [1, n, V]
        among = self._shares.among(logits, trie, nodes[told][None])
        at = torch.arange(logits.shape[1], device=device)[None]
        found = (among - pick(logits, at, tokens[told][None]))[0]
        return torch.zeros(known.shape, device=device).masked_scatter(told, found), known

    def _read(self, histories: Histories) -> Reading:
        batch = self.prompts.render(histories.last(self.prompts.titles)).to(str(histories.items.device))
        return self.backbone.read(self.backbone.embed(batch.tokens), batch.lengths)


def split(histories: Histories, items: Tensor, size: int) -> Iterator[tuple[Histories, Tensor]]:
    """`size` users at a time."""
    for at in range(0, len(items), size):
        rows = slice(at, at + size)
        yield histories.pick(rows), items[rows]


def title_tokens(
    texts: Sequence[str], tokenizer: TextTokenizer, end: int, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Titles as they follow a prompt, on one line, cut to `longest` tokens, with the end token behind:
    [N + 1, T] and how many tokens each has [N + 1]. Row 0 repeats the first item's."""
    found = [ids[:longest] for ids in tokenizer.pieces([f" {' '.join(text.split())}" for text in texts])]
    pieces = [found[0], *found]
    lengths = np.array([len(ids) for ids in pieces])
    tokens = np.full((len(pieces), lengths.max() + 1), end)
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = [token for ids in pieces for token in ids]
    wrong = np.flatnonzero((tokens == end).sum(1) > tokens.shape[1] - lengths)
    if len(wrong):
        where = texts[max(wrong[0] - 1, 0)][:60]
        raise ModelError(
            f"this tokenizer has no token that only ends a title: token {end} is also in {where!r}",
            hint="Take a model whose tokenizer has an end-of-text token",
        )
    return tokens, lengths + 1
