"""The card of a prepared dataset: where it is from, what was done to it, what is in it, its hashes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import Field

from sasrec_llm.components import Settings
from sasrec_llm.durable import read_json, write_json, write_text
from sasrec_llm.errors import DataError
from sasrec_llm.protocols import FOLDS

TIMED = ("collm", "temporal", "session")  # protocols that look at the clock


class Card(Settings):
    name: str
    source: str
    summary: str
    licence: str
    like_at: float
    rated: bool  # false: labels were given, or every row counts as a like
    history: str
    min_user: int
    min_item: int
    once: bool = False
    since: date | None = None
    until: date | None = None
    max_id: int | None = None
    timed: bool = True  # false: rows are ordered by position, and `timestamp` is that position
    downloads: dict[str, str] = Field({})  # URL -> SHA-256 of what came, where no checksum was known beforehand
    read: int
    kept: int
    merged: int
    quarantined: int
    quarantine: dict[str, int]  # reason -> rows
    users: int
    items: int
    liked_share: float
    first_time: int
    last_time: int
    ties: int  # rows that share user and second with another
    untitled: int
    described: dict[str, int] = Field({})  # column of text -> items that have it
    lost_items: int = 0  # lines of the items' file that could not be read
    protocols: dict[str, list[int]]  # protocol -> rows of train, valid, test
    hashes: dict[str, str]
    sha256: str

    @property
    def span(self) -> str:
        if not self.timed:
            return "ordered by position, no times"
        first, last = (datetime.fromtimestamp(t, UTC).date().isoformat() for t in (self.first_time, self.last_time))
        return f"{first} to {last}"

    def lines(self) -> list[tuple[str, str]]:
        """(label, text) for people."""
        likes = f"{self.liked_share:.1%} liked" + (f" (rating >= {self.like_at:g})" if self.rated else "")
        reasons = "".join(f" · {reason} {count:,}" for reason, count in self.quarantine.items())
        moment = "user and second" if self.timed else "user and position"
        found = [
            ("source", f"{self.summary} · {self.licence}"),
            ("read", f"{self.read:,} rows"),
            ("kept", f"{self.kept:,} · merged {self.merged:,} · quarantined {self.quarantined:,}{reasons}"),
            ("users", f"{self.users:,} · items {self.items:,} · {self.span} · {likes}"),
            ("ties", f"{self.ties:,} rows share {moment} with another; they keep the order of the file"),
        ]
        if self.since or self.until:
            found.append(("period", f"from {self.since or 'the start'} until before {self.until or 'the end'}"))
        if self.min_user or self.min_item:
            once = ", counted once" if self.once else ""
            found.append(("k-core", f"users with {self.min_user} rows, items with {self.min_item}{once}"))
        if self.max_id:
            found.append(("first ids", f"the {self.max_id:,} users and items that appeared first"))
        if self.untitled:
            found.append(("titles", f"{self.untitled:,} items have none; their id stands for it"))
        if more := [f"{name} {count:,}" for name, count in self.described.items() if count and name != "title"]:
            found.append(("texts", f"title {self.items - self.untitled:,} · {' · '.join(more)}"))
        if self.lost_items:
            found.append(("items", f"{self.lost_items:,} lines of the items' file could not be read"))
        for url, value in self.downloads.items():
            found.append(("download", f"{url} has no published checksum; what came has SHA-256 {value}"))
        for protocol, counts in self.protocols.items():
            of = f" of fold 1 of {FOLDS}" if protocol == "k-fold" else ""
            found.append((protocol, " / ".join(f"{count:,}" for count in counts) + f" rows train / valid / test{of}"))
        return [*found, ("sha256", self.sha256)]


def write_card(folder: Path, card: Card) -> None:
    write_json(folder / "card.json", card.model_dump(mode="json"))
    body = "\n".join(f"- **{label}**: {text}" for label, text in card.lines())
    hashes = "\n".join(f"- `{name}.parquet` {value}" for name, value in card.hashes.items())
    write_text(folder / "card.md", f"# {card.name}\n\n{body}\n\n## Files\n\n{hashes}\n")


def read_card(folder: Path) -> Card:
    if not (folder / "card.json").is_file():
        raise DataError(f"{folder.name} is not prepared", hint=f"Run: srl data prepare {folder.name}")
    return Card.model_validate(read_json(folder / "card.json"))


def refuse_untimed(card: Card, protocol: str) -> None:
    """Raise where the protocol splits by time and the dataset has none."""
    if protocol in TIMED and not card.timed:
        raise DataError(
            f"protocol {protocol!r} splits by time, and {card.name} has none: its rows are ordered by position",
            hint='Set data.protocol = "leave-one-out"',
        )
