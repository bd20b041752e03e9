"""What is said of an item: cleaned once, then put together by the recipe's template."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasrec_llm.data.interactions import load_interactions
from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.texts import clean, item_texts
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.data import Data
from tests.test_recipe import problems

ITEMS = {
    "title": ["Soap", "{brand} [[x]]", "Comb"],
    "brand": ["Acme", None, "Bolt"],
    "category": ["Bath", "Hair", None],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{title}", ("Soap", "{brand} [[x]]", "Comb")),
        ("{title} by {brand}", ("Soap by Acme", "{brand} [[x]] by", "Comb by Bolt")),
        ("{title}[[ by {brand}]]", ("Soap by Acme", "{brand} [[x]]", "Comb by Bolt")),
        ("{title}[[ by {brand}]][[ in {category}]]", ("Soap by Acme in Bath", "{brand} [[x]] in Hair", "Comb by Bolt")),
        ("{title}[[ ({brand}, {category})]]", ("Soap (Acme, Bath)", "{brand} [[x]]", "Comb")),
        ("[[{category}]]", ("Bath", "Hair", "Comb")),
        ("{title}\n {category}", ("Soap Bath", "{brand} [[x]] Hair", "Comb")),
        ("[[always]] {title} {", ("always Soap {", "always {brand} [[x]] {", "always Comb {")),
    ],
)
def test_templates(template: str, expected: tuple[str, ...]) -> None:
    assert item_texts(ITEMS, template, 300) == expected


@given(st.lists(st.text(min_size=1, max_size=40).map(clean).filter(bool), max_size=5), st.integers(1, 50))
def test_a_text_is_its_title_or_a_beginning_of_it_that_ends_with_a_word(titles: list[str], length: int) -> None:
    for title, text in zip(titles, item_texts({"title": titles}, "{title}", length), strict=True):
        assert title.startswith(text)
        assert 0 < len(text) <= length
        rest = title[len(text) :]
        assert not rest or rest.startswith(" ") or " " not in title[: length + 1]


@given(st.text())
def test_cleaning_is_final_but_for_what_was_escaped_twice(text: str) -> None:
    once = clean(text)
    assert once == " ".join(once.split())
    if "&" not in once:
        assert clean(once) == once


def test_entities_need_their_semicolon() -> None:
    assert clean("Q&amp;A &quot;R&D&quot; caf&eacute;&nbsp;&#x27;n&#39; Rock&notes &bogus; &amp;lt;") == (
        "Q&A \"R&D\" café 'n' Rock&notes &bogus; &lt;"
    )


def own(lines: list[str], **options: object) -> Path:
    Path("own.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = OwnData.model_validate({"name": "own", **options})
    source = own_source("own")
    prepare(source, given=Path("own.csv"), folder=Path("data/own"), cache=Path("cache"), own=settings)
    return Path("data/own")


def test_a_recipe_says_what_is_said() -> None:
    rows = [f"u{i % 3},i{i % 5},{1 + i % 5},{i},T{i % 5} &amp; co,{'B' if i % 5 else ''},G" for i in range(50)]
    folder = own(["user,item,rating,time,title,maker,genres", *rows], brand="maker")
    plain, full = (
        load_interactions(folder, "temporal", text=text) for text in ("{title}", "{title}[[ by {brand}]], {category}")
    )
    assert plain.titles == tuple(f"T{i} & co" for i in range(5))
    assert full.titles == ("T0 & co, G", *(f"T{i} & co by B, G" for i in range(1, 5)))
    assert plain.sha256 != full.sha256, "what was learned from other texts is not what is asked for"
    assert load_interactions(folder, "temporal", text_length=2).titles == ("T0", "T1", "T2", "T3", "T4")
    assert Data(use="x").text == "{title}"


def test_a_template_is_checked_with_the_recipe(builtins: Plugins) -> None:
    found = problems(
        {"name": "x", "data": {"use": "demo", "text": "{titel} {brand}"}, "strategy": {"use": "x"}}, builtins
    )
    assert found["data.text"].startswith("has no field {titel}; there are {title}, {brand}")
    found = problems({"name": "x", "data": {"use": "demo", "text": "film"}, "strategy": {"use": "x"}}, builtins)
    assert found["data.text"].startswith("names no field")


def test_lists_in_a_persons_file_are_read_with_commas() -> None:
    Path("own.jsonl").write_text(
        '{"user": "u", "item": "i", "time": 5, "title": "T", "genres": ["A", "B"], "description": "d"}\n'
    )
    settings = OwnData(name="own")
    source = own_source("own")
    prepare(source, given=Path("own.jsonl"), folder=Path("data/own"), cache=Path("cache"), own=settings)
    from sasrec_llm.data.database import connect

    with connect() as connection:
        found = connection.execute(
            "SELECT title, brand, category, description FROM 'data/own/items.parquet'"
        ).fetchall()
    assert found == [("T", None, "A, B", "d")]
