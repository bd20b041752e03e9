"""A made-up bookshop for docs/own-data.md: its sales, its products, and baskets that have no times."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

SUBJECTS = ("Roses", "Bread", "Chess", "Knots", "Stars", "Tea", "Bees", "Maps", "Clocks", "Boats")
FORMS = (
    "A Handbook of {}", "{} for Beginners", "The Secret Life of {}", "{} in Winter", "A History of {}", "All About {}",
    "{} and Other Stories", "My Year with {}", "The Little Book of {}", "{} Explained", "Old {}", "The Joy of {}",
)  # fmt: skip
CUSTOMERS, BOUGHT = 300, 12
FIRST = date(2025, 1, 6)


def write_shop(folder: Path) -> None:
    """Customers keep to a subject for a while; of the sales, three cannot be right."""
    chance = random.Random(1)
    titles = [form.format(subject) for subject in SUBJECTS for form in FORMS]
    skus = [f"B{number:03}" for number in range(1, len(titles) + 1)]
    sales: list[tuple[object, ...]] = []
    for customer in range(1001, 1001 + CUSTOMERS):
        day, subject = FIRST + timedelta(chance.randrange(200)), chance.randrange(len(SUBJECTS))
        had: set[str] = set()
        while len(had) < BOUGHT:
            if chance.random() < 0.2:
                subject = chance.randrange(len(SUBJECTS))
            sku = skus[len(FORMS) * subject + int(len(FORMS) * chance.random() ** 2)]
            if sku not in had:
                had.add(sku)
                day += timedelta(chance.randrange(1, 9))
                sales.append((customer, sku, chance.choice((2, 3, 4, 4, 5, 5)), day))
    times = Counter[object]()
    baskets = []
    for who, what, *_ in sales:
        times[who] += 1
        baskets.append((who, what, times[who]))
    wrong = [(1001, "", 5, FIRST), (1002, skus[1], 4, "last week"), (1003, skus[2], "many", FIRST)]
    write(folder / "sales.csv", ["customer", "sku", "stars", "bought_at"], [*sales, *wrong])
    write(folder / "products.csv", ["sku", "title"], zip(skus, titles, strict=True))
    write(folder / "baskets.csv", ["session", "item", "place"], baskets)


def write(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
