"""Text to token ids for prompts that are put together from pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ANCHORS = ("\n", ":", ".", "a")


class PieceTokenizer:
    """Tokens of texts that continue a prompt.

    A text is data: `<unk>`, `</s>` or any other name of a special token in it is spelled out, never obeyed. Some
    tokenizers put a space before whatever comes first, so a piece is tokenised behind an anchor and the anchor's tokens
    are cut off again.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._anchors = [(anchor, self._ids([anchor])[0]) for anchor in ANCHORS]
        self.start = self._start()

    def opening(self, text: str) -> list[int]:
        """Ids of a text that opens a prompt, behind the beginning-of-text token where the tokenizer puts one."""
        return self.openings([text])[0]

    def openings(self, texts: Sequence[str]) -> list[list[int]]:
        return [[*self.start, *(ids if text else [])] for text, ids in zip(texts, self._ids(texts), strict=True)]

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int] | None] = [None] * len(texts)
        for anchor, head in self._anchors:
            left = [index for index, ids in enumerate(found) if ids is None]
            if not left:
                break
            for index, ids in zip(left, self._ids([anchor + texts[index] for index in left]), strict=True):
                if ids[: len(head)] == head:
                    found[index] = ids[len(head) :]
        return [ids if ids is not None else self._ids([text])[0] for ids, text in zip(found, texts, strict=True)]

    def _start(self) -> list[int]:
        """What the tokenizer itself puts before a text. Naming a beginning-of-text token is not using it: some models
        of the SmolLM and Qwen families have one that no text begins with."""
        plain, whole = self._ids(["a"])[0], list(self._tokenizer("a")["input_ids"])
        for at in range(len(whole) - len(plain) + 1):
            if whole[at : at + len(plain)] == plain:
                return whole[:at]
        return []

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False)
        return [list(ids) for ids in encoded["input_ids"]]
