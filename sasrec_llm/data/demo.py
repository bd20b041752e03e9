"""A made-up catalogue of films and people who rate them: no download, the same for the same seed.

It is built so that each kind of model has something to find. A film's title names its genre, so a model that reads can
judge films nobody has rated; a person's taste drifts from genre to genre, and sequels are liked by those who liked the
film before, so a model that follows the sequence can judge people it knows; some films are good and some are famous, so
the floors are not at zero. New people and new films arrive through the last fifth of the time.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import read_own

GENRES = {
    "Space": ("Star", "Orbit", "Comet", "Rocket", "Galaxy", "Nebula", "Asteroid", "Lunar"),
    "Love": ("Heart", "Kiss", "Wedding", "Summer", "Letter", "Valentine", "Bride", "Darling"),
    "Crime": ("Heist", "Detective", "Alibi", "Gangster", "Motive", "Suspect", "Vault", "Witness"),
    "Horror": ("Ghost", "Scream", "Cellar", "Curse", "Zombie", "Asylum", "Crypt", "Fang"),
    "Comedy": ("Joke", "Clown", "Prank", "Banana", "Holiday", "Neighbour", "Circus", "Nonsense"),
    "War": ("Battle", "Trench", "Soldier", "Siege", "Captain", "Armada", "Frontline", "Medal"),
    "Western": ("Cowboy", "Saloon", "Sheriff", "Canyon", "Outlaw", "Mustang", "Prairie", "Duel"),
    "Music": ("Concert", "Melody", "Piano", "Jazz", "Opera", "Drummer", "Chorus", "Ballad"),
}
FRAMES = (
    "The {0} of the {1}",
    "{0} and {1}",
    "{0} {1}",
    "Return to {0} {1}",
    "Last {0}, First {1}",
    "A {0} for the {1}",
)
NUMERALS = ("", " II", " III", " IV")
N_USERS, N_ITEMS, N_ROWS = 500, 400, 20_000
START, YEARS = 1_000_000_000, 3  # first second, span


def read(connection: Any, folder: Path, _: OwnData | None) -> None:
    """The demo is written as anybody's files would be, then read like them."""
    write_demo(folder)
    read_own(connection, folder / "ratings.csv", OwnData(items=str(folder / "items.csv")))


def write_demo(folder: Path, seed: int = 7) -> None:
    """`ratings.csv` (user, item, rating, timestamp) and `items.csv` (item, title)."""
    chance = np.random.default_rng(seed)
    titles, genre, before = make_catalogue(chance)
    rows = make_ratings(chance, genre, before)
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("item", "title"), *enumerate(titles, start=1)])
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("user", "item", "rating", "timestamp"), *rows])


def make_catalogue(chance: Generator) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Titles, genres, and for a sequel the film before it (-1: none)."""
    names = list(GENRES)
    titles: list[str] = []
    genre, before = np.zeros(N_ITEMS, np.int64), np.full(N_ITEMS, -1)
    used: set[str] = set()
    while len(titles) < N_ITEMS:
        kind = int(chance.integers(len(names)))
        first, second = chance.choice(GENRES[names[kind]], size=2, replace=False)
        stem = FRAMES[chance.integers(len(FRAMES))].format(first, second)
        if stem in used:
            continue
        used.add(stem)
        parts = int(chance.choice([1, 1, 1, 2, 3, 4]))
        year = 1960 + int(chance.integers(60))
        for part in range(min(parts, N_ITEMS - len(titles))):
            genre[len(titles)] = kind
            before[len(titles)] = len(titles) - 1 if part else -1
            titles.append(f"{stem}{NUMERALS[part]} ({year + 2 * part})")
    return titles, genre, before


def make_ratings(chance: Generator, genre: np.ndarray, before: np.ndarray) -> list[tuple[int, int, int, int]]:
    n_genres = len(GENRES)
    quality = chance.normal(0, 0.9, N_ITEMS)
    fame = (np.arange(1, N_ITEMS + 1) ** -0.7)[chance.permutation(N_ITEMS)]
    released = np.where(chance.random(N_ITEMS) < 0.9, 0.0, chance.uniform(0.75, 0.98, N_ITEMS))
    joins = np.where(chance.random(N_USERS) < 0.75, chance.uniform(0, 0.6, N_USERS), chance.uniform(0.7, 0.95, N_USERS))
    stays = np.maximum(chance.exponential(0.25, N_USERS), 0.03)
    share = chance.lognormal(0, 0.9, N_USERS)
    counts = np.clip(np.round(share / share.sum() * N_ROWS * 1.12), 5, 250).astype(int)
    rows: list[tuple[int, int, int, int]] = []
    for user in range(N_USERS):
        taste = chance.normal(0, 1.6, n_genres)
        mood = int(np.argmax(taste))  # the genre of the moment
        generous = chance.normal(0.1, 0.7)
        moments = np.sort(np.minimum(joins[user] + stays[user] * chance.random(counts[user]), 0.9999))
        seen, liked = np.zeros(N_ITEMS, bool), np.zeros(N_ITEMS, bool)
        for moment in moments:
            if chance.random() < 0.08:
                mood = int(chance.integers(n_genres))
            follows = (before >= 0) & liked[before]
            weight = (
                fame * (released <= moment) * ~seen * np.where(genre == mood, 4.0, 1.0) * np.where(follows, 8.0, 1.0)
            )
            if weight.sum() == 0:
                break
            item = int(chance.choice(N_ITEMS, p=weight / weight.sum()))
            drive = generous + quality[item] + 0.7 * taste[genre[item]] + 1.2 * (genre[item] == mood) - 0.6
            drive += 1.5 * follows[item]
            rating = int(np.clip(np.round(3.4 + 0.8 * drive + chance.normal(0, 0.7)), 1, 5))
            seen[item], liked[item] = True, rating >= 4
            rows.append((user + 1, item + 1, rating, START + int(moment * YEARS * 365.25 * 86_400)))
    order = sorted(range(len(rows)), key=lambda index: rows[index][3])[:N_ROWS]
    return [rows[index] for index in order]
