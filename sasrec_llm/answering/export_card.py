"""README.md of an export: what it is, how well it did, whose data it learned from, how to use it."""

from __future__ import annotations

from sasrec_llm.data.card import Card
from sasrec_llm.recipe import Recipe
from sasrec_llm.report.reading import read_run
from sasrec_llm.report.tables import heading, headline
from sasrec_llm.runs import Run

USE = """
## Use

    pip install sasrec-llm
    srl recommend {folder} --history "a title" --history "another" -k 10 --explain
    srl serve {folder}

or in Python:

    from sasrec_llm import load_run
    load_run("{folder}").recommend(history=["a title", "another"], k=10)
"""


def card_text(found: Run, recipe: Recipe, data: Card, folder: str, index: str = "") -> str:
    """`index`: how near to the exact answer its index comes, where it has one."""
    use = " → ".join(f"`{choice.use}`" for section, choice in recipe.choices.items() if section != "strategy")
    reading = read_run(found.folder)
    tables = [table for table in reading.test if reading.label in table.systems]
    lines = [
        f"# {found.name}",
        "",
        f"{use}, strategy `{recipe.strategy.use}`, exported by srl from a finished run. It answers "
        + ("whether a user will like an item." if recipe.task == "like" else "which item comes next."),
        "",
        f"- **learned from**: {data.name}, protocol {recipe.data.protocol}, {data.kept:,} rows of {data.users:,} users "
        f"and {data.items:,} items ({data.span})",
        f"- **data**: {data.summary}; licence: {data.licence}. The licence of the data binds what is made of it.",
        f"- **seed**: {recipe.head.seed}; every setting is in `recipe.json`",
        *([f"- **index**: {index}. The figures below are of exact answers."] if index else []),
        "",
        "## Figures, on test rows, with 95 % intervals",
    ]
    for table in tables:
        header, rows = headline(table)
        lines += ["", heading(table, "test"), "", _row(["system", *header[1:]]), _row(["---"] * len(header))]
        lines += [_row(row) for row in rows]
    return "\n".join(lines) + "\n" + USE.format(folder=folder)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
