"""What the probability of a token is a share of: the whole vocabulary, or the tokens that go on to a title.

Among the tokens of the catalogue, p(title) sums to 1 over all titles, what has one way to go on is certain, and a
language model that is too small to know the titles by heart is not asked to.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sasrec_llm.strategies.writing.ranges import logsumexp_by
from sasrec_llm.strategies.writing.trie import Trie


def pick(logits: Tensor, row: Tensor, token: Tensor) -> Tensor:
    """logits [B, W, V], row and token [B, M] -> [B, M]"""
    return logits.flatten(1).gather(1, row * logits.shape[2] + token)


class TokenShares:
    """log p(token) = its logit less the log-sum-exp of those it is a share of."""

    def __init__(self, logits: Callable[[Tensor], Tensor], *, of_catalogue: bool) -> None:
        """`logits`: states [..., D] -> [..., V]"""
        self.logits = logits
        self.of_catalogue = of_catalogue

    def among(self, logits: Tensor, trie: Trie, nodes: Tensor) -> Tensor:
        """The log-sum-exp at the nodes [B, W], given their logits [B, W, V] -> [B, W]"""
        if not self.of_catalogue:
            return logits.logsumexp(2)
        child, row, known = trie.children(nodes)
        return logsumexp_by(row, pick(logits, row, trie.token[child.where(known, 0)]), known, nodes.shape[1])

    def is_end(self, trie: Trie, nodes: Tensor) -> Tensor:
        """Whether nothing more is told below: a title has ended, or one alone is left and certain."""
        return trie.titles[nodes] == 1 if self.of_catalogue else trie.is_leaf(nodes)
