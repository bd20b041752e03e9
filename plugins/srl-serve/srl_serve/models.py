"""What goes in and comes out, as OpenAPI describes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from srl_serve.settings import LONGEST_TITLE, MOST_ITEMS, MOST_TITLES

Title = Annotated[str, Field(min_length=1, max_length=LONGEST_TITLE)]


class Person(BaseModel):
    """A user of the data, somebody who says what they liked, or both: the titles then come last."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    user: Title | None = Field(None, description="a user's id; one that is not in the data is somebody new")
    history: list[Title] = Field(
        default_factory=list,
        max_length=MOST_TITLES,
        description="what they liked, by title or id, the latest last",
        examples=[["Heat (1995)", "alien"]],
    )


class RecommendRequest(Person):
    k: int = Field(10, ge=1, le=MOST_ITEMS, description="how many items")
    explain: bool = Field(False, description="say what each item is near to, and what a language model was asked")


class ScoreRequest(Person):
    items: list[Title] = Field(
        min_length=1, max_length=MOST_TITLES, description="by title or id", examples=[["Usual Suspects, The", "32"]]
    )


class Item(BaseModel):
    item: str = Field(description="id in the data", examples=["1214"])
    title: str = Field(examples=["Alien (1979)"])


class Understood(Item):
    asked: str = Field(description="what the request called it", examples=["alien"])


class Near(BaseModel):
    title: str = Field(examples=["Heat (1995)"])
    likeness: float = Field(description="cosine of the two items' vectors", examples=[0.83])


class Reason(BaseModel):
    near: list[Near] = Field(description="items of the history, nearest first")
    prompt: str = Field(description="what a language model was asked; empty where none was")


class ScoredItem(Item):
    score: float = Field(description="higher is better; comparable within one answer", examples=[2.31])
    probability: float | None = Field(description="of liking it, where the run was asked for that", examples=[0.91])
    reason: Reason | None = Field(description="with `explain`")


class AnswerResponse(BaseModel):
    run: str = Field(description="the run that answered", examples=["2026-11-21-dual-stage-cpu-038d92"])
    user_known: bool | None = Field(description="whether the user is in the data; null where none was named")
    notes: list[str] = Field(
        description="what the answer leaves out", examples=[["42 is not in the data: answered as for somebody new"]]
    )
    history: list[Understood] = Field(description="the item that each title was taken for")
    items: list[ScoredItem] = Field(
        description="best first and nothing they had; of /score in the order of the request"
    )


class ItemsResponse(BaseModel):
    items: list[Item] = Field(description="titles most like the text, best first")


class HealthResponse(BaseModel):
    status: str = Field(examples=["ok"])


class Problem(BaseModel):
    error: str = Field(description="what is wrong", examples=["no item is called 'aliem'; did you mean: Alien (1979)"])
    hint: str = Field(description="what to do", examples=["Give the title as it stands there, or the item's id"])
