"""Answers as JSON. They are what the models say, but not built from them: that would take longer than to answer."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic_core import to_json

from sasrec_llm import LoadedRun
from srl_serve.answers import Answer, Ask


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return to_json(content, inf_nan_mode="null")


def answered(loaded: LoadedRun, ask: Ask, answer: Answer) -> Json:
    known = None if ask.user is None else loaded.knows(ask.user)
    notes = []
    if known is False:
        notes = [f"{ask.user} is not in the data: answered as for somebody new"]
    elif known and not loaded.has_histories:
        notes = [f"an export without rows does not know what {ask.user} liked"]
    names = loaded.catalogue
    history = [
        {"asked": text, "item": names.id_of(item), "title": names.title_of(item)}
        for text, item in zip(ask.history, answer.history, strict=True)
    ]
    return Json({"run": loaded.name, "user_known": known, "notes": notes, "history": history, "items": answer.found})
