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

    def opening(self, text: str) -> list[int]:
        """Ids of a text that opens a prompt, behind the beginning-of-text token if there is one."""
        bos = self._tokenizer.bos_token_id
        return [*([] if bos is None else [bos]), *(self._ids([text])[0] if text else [])]

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

    def _ids(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return [list(ids) for ids in encoded["input_ids"]]
