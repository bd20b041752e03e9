"""Text to token ids, where no text can become a special token; prompts that are put together from pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ANCHORS = ("\n", ":", ".", "a")


class PlainTokenizer:
    """A text is data: `<unk>`, `</s>` or any other name of a special token in it is spelled out, never obeyed."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: list[str] = []
        self._known = self._names()

    def __call__(self, texts: Sequence[str], **options: Any) -> list[list[int]]:
        if not texts:
            return []
        given = list(texts)
        for name in self._known:
            given = [text.replace(name, f"{name[0]} {name[1:]}") for text in given]
        encoded = self._tokenizer(given, split_special_tokens=True, verbose=False, **options)
        return [list(ids) for ids in encoded["input_ids"]]

    def _names(self) -> list[str]:
        """Names that become one token all the same, so that a space must break them: a unigram model knows those of its
        special tokens as words, and Qwen's <think> is a token that does not count as special."""
        added = self._tokenizer.added_tokens_decoder.values()
        tags = {str(token) for token in added if token.special or (str(token)[0], str(token)[-1]) == ("<", ">")}
        names = sorted(name for name in {*tags, *self._tokenizer.all_special_tokens} if len(name) > 1)
        ids = self(names, add_special_tokens=False)
        return [
            name for name, found in zip(names, ids, strict=True) if self._tokenizer.convert_tokens_to_ids(name) in found
        ]


class PieceTokenizer:
    """Tokens of texts that continue a prompt.

    Some tokenizers put a space before whatever comes first, so a piece is tokenised behind an anchor and the anchor's
    tokens are cut off again.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._plain = tokenizer, PlainTokenizer(tokenizer)
        heads = [(anchor, self._ids([anchor])[0]) for anchor in ANCHORS]
        # An unknown anchor would melt into an unknown piece.
        self._anchors = [(anchor, head) for anchor, head in heads if tokenizer.unk_token_id not in head]
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

    def text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _start(self) -> list[int]:
        """What the tokenizer itself puts before a text. Naming a beginning-of-text token is not using it: some models
        of the SmolLM and Qwen families have one that no text begins with."""
        plain, whole = self._ids(["a"])[0], list(self._tokenizer("a")["input_ids"])
        for at in range(len(whole) - len(plain) + 1):
            if whole[at : at + len(plain)] == plain:
                return whole[:at]
        return []

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._plain(texts, add_special_tokens=False)
