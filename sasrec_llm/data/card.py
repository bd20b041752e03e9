"""The card of a prepared dataset: where it is from, what was done to it, what is in it, its hashes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sasrec_llm.components import Settings
from sasrec_llm.durable import read_json, write_json, write_text
from sasrec_llm.errors import DataError


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
    protocols: dict[str, list[int]]  # protocol -> rows of train, valid, test
    hashes: dict[str, str]
    sha256: str

    @property
    def span(self) -> str:
        first, last = (datetime.fromtimestamp(t, UTC).date().isoformat() for t in (self.first_time, self.last_time))
        return f"{first} to {last}"

    def lines(self) -> list[tuple[str, str]]:
        """(label, text) for people."""
        likes = f"{self.liked_share:.1%} liked" + (f" (rating >= {self.like_at:g})" if self.rated else "")
        reasons = "".join(f" · {reason} {count:,}" for reason, count in self.quarantine.items())
        found = [
            ("source", f"{self.summary} · {self.licence}"),
            ("read", f"{self.read:,} rows"),
            ("kept", f"{self.kept:,} · merged {self.merged:,} · quarantined {self.quarantined:,}{reasons}"),
            ("users", f"{self.users:,} · items {self.items:,} · {self.span} · {likes}"),
            ("ties", f"{self.ties:,} rows share user and second with another; they keep the order of the file"),
        ]
        if self.min_user or self.min_item:
            found.append(("k-core", f"users with {self.min_user} rows, items with {self.min_item}"))
        if self.untitled:
            found.append(("titles", f"{self.untitled:,} items have none; their id stands for it"))
        for protocol, counts in self.protocols.items():
            found.append((protocol, " / ".join(f"{count:,}" for count in counts) + " rows train / valid / test"))
        return [*found, ("sha256", self.sha256)]


def write_card(folder: Path, card: Card) -> None:
    write_json(folder / "card.json", card.model_dump())
    body = "\n".join(f"- **{label}**: {text}" for label, text in card.lines())
    hashes = "\n".join(f"- `{name}.parquet` {value}" for name, value in card.hashes.items())
    write_text(folder / "card.md", f"# {card.name}\n\n{body}\n\n## Files\n\n{hashes}\n")


def read_card(folder: Path) -> Card:
    if not (folder / "card.json").is_file():
        raise DataError(f"{folder.name} is not prepared", hint=f"Run: srl data prepare {folder.name}")
    return Card.model_validate(read_json(folder / "card.json"))
