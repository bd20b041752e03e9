"""Amazon reviews of any category, from any release of the McAuley lab: 2014, 2018 and 2023.

The releases name the same things differently, so every known name is read and the one that is there counts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sasrec_llm.components import Plan
from sasrec_llm.data.lines import read_lines
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import read_delimited
from sasrec_llm.errors import DataError, UsageError

UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
RELEASES = {  # reviews (5-core where there is such a file), metadata
    "2014": (f"{SNAP}/reviews_{{0}}_5.json.gz", f"{SNAP}/meta_{{0}}.json.gz"),
    "2018": (f"{UCSD}/amazon_v2/categoryFilesSmall/{{0}}_5.json.gz", f"{UCSD}/amazon_v2/metaFiles2/meta_{{0}}.json.gz"),
    "2023": (
        f"{UCSD}/amazon_2023/raw/review_categories/{{0}}.jsonl.gz",
        f"{UCSD}/amazon_2023/raw/meta_categories/meta_{{0}}.jsonl.gz",
    ),
}
REVIEWS = re.compile(r"(?!meta_)(?:(?:reviews_)?(\w+?)(?:_5)?\.jsonl?|ratings_(\w+)\.csv)(?:\.gz)?")
REVIEW_FIELDS = ("reviewerID", "user_id", "asin", "parent_asin", "overall", "rating", "unixReviewTime", "timestamp")
TEXT_FIELDS = ("asin", "parent_asin", "title", "brand", "store", "main_cat", "main_category")
LIST_FIELDS = ("category", "categories", "description")


def plan(own: OwnData, given: Path | None) -> Plan:
    """The dataset's name, and what to download where no files are given."""
    if given is None:
        if own.category is None or own.release is None:
            raise UsageError(
                f"which Amazon category, of which release ({', '.join(RELEASES)})?",
                hint="For example: srl data prepare amazon --category Beauty --release 2014",
            )
        return Plan(_name(own.category), tuple(url.format(own.category) for url in RELEASES[own.release]))
    if given.suffix == ".zip" and own.category is None:
        raise UsageError(f"{given}: which category is in it?", hint="Name it: --category NAME")
    return Plan(_name(own.category or find_reviews(given, None)[1]))


def _name(category: str) -> str:
    return "amazon-" + category.lower().replace("_", "-")


def find_reviews(given: Path, category: str | None) -> tuple[Path, str]:
    """The file of the reviews and its category: the file given, or the only one in a folder or the folders in it."""
    paths = [given] if given.is_file() else sorted([*given.glob("*"), *given.glob("*/*")])
    found = [(path, match[1] or match[2]) for path in paths if (match := REVIEWS.fullmatch(path.name))]
    fits = [(path, name) for path, name in found if category in (None, name)]
    if len(fits) == 1:
        return fits[0]
    what = f"of category {category!r} " if category else ""
    if fits:
        listed = ", ".join(path.name for path, _ in fits)
        raise DataError(f"{given} holds several review files: {listed}", hint="Give the file: --from FILE")
    others = f"; it holds {', '.join(sorted({name for _, name in found}))}" if found else ""
    raise DataError(
        f"{given} holds no review file {what}such as reviews_Beauty_5.json.gz, Beauty.json.gz, All_Beauty.jsonl.gz or "
        f"ratings_Beauty.csv{others}"
    )


def read(connection: Any, given: Path, own: OwnData | None) -> None:
    path, category = find_reviews(given, own.category if own else None)
    if ".csv" in path.suffixes:
        columns = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}
        read_delimited(connection, "raw_interactions", path, columns, "delim = ','")
    else:
        read_lines(connection, "amazon_interactions", path, dict.fromkeys(REVIEW_FIELDS, "VARCHAR"))
        connection.execute(
            'CREATE TABLE raw_interactions AS SELECT line, coalesce("reviewerID", user_id) AS "user", '
            "coalesce(parent_asin, asin) AS item, coalesce(overall, rating) AS rating, "
            'coalesce("unixReviewTime", "timestamp") AS "timestamp" FROM amazon_interactions'
        )
        connection.execute("DROP TABLE amazon_interactions")
    names = re.compile(rf"meta_{category}\.jsonl?(\.gz)?")
    about = [found for found in sorted(path.parent.iterdir()) if names.fullmatch(found.name)]
    if not about:
        connection.execute("CREATE TABLE raw_items (line BIGINT, item VARCHAR, title VARCHAR)")
        return
    if len(about) > 1:
        raise DataError(f"{path.parent} holds several metadata files: {', '.join(found.name for found in about)}")
    read_lines(
        connection,
        "amazon_items",
        about[0],
        dict.fromkeys(TEXT_FIELDS, "VARCHAR") | dict.fromkeys(LIST_FIELDS, "JSON"),
    )
    # Some titles of the 2018 release are a page's script instead; the release notes tell them by `getTime`.
    connection.execute(
        f"""CREATE TABLE raw_items AS SELECT line, coalesce(parent_asin, asin) AS item,
            CASE WHEN NOT contains(title, 'getTime') THEN title END AS title,
            coalesce(nullif(brand, ''), store) AS brand,
            coalesce({joined("category", " > ")}, {joined("categories", " > ")}, main_category, main_cat) AS category,
            {joined("description", " ")} AS description
        FROM amazon_items"""
    )
    connection.execute("DROP TABLE amazon_items")


def joined(name: str, between: str) -> str:
    """SQL: a JSON string, list of strings or list of such lists (its first) as one text; NULL where there is none."""
    first = f"CASE WHEN json_type({name}, '$[0]') = 'ARRAY' THEN {name} -> 0 ELSE {name} END"
    texts = f"array_to_string(from_json({first}, '[\"VARCHAR\"]'), '{between}')"
    return f"nullif(CASE json_type({name}) WHEN 'ARRAY' THEN {texts} WHEN 'VARCHAR' THEN {name} ->> '$' END, '')"
