"""Where a source's files come from: a folder, a file, a zip, or a checked download."""

from __future__ import annotations

import http.client
import logging
import shutil
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from sasrec_llm.components import Plan, Source, resolve
from sasrec_llm.data.own import OwnData
from sasrec_llm.durable import digest, new_file, sha256, write_text
from sasrec_llm.errors import DamagedError, DataError, StorageError, UnsafeError
from sasrec_llm.locks import locked

log = logging.getLogger(__name__)
LARGEST = 20 * 2**30  # bytes an archive may unpack to


@dataclass(frozen=True, slots=True)
class Located:
    """What to read, and of what was downloaded without a checksum to hold against it, the checksum it has."""

    path: Path
    downloads: dict[str, str] = field(default_factory=dict)


def locate(source: Source, given: Path | None, cache: Path, scratch: Path, own: OwnData) -> Located:
    """The folder or file to read; archives are unpacked into `scratch`, generated data is written there."""
    if given is None and source.generated:
        return Located(scratch)
    if given is None and source.plan:
        plan: Plan = resolve(source.plan)(own, None)
        return download_all(source, plan, cache / plan.name)
    if given is None:
        if not source.url:
            raise DataError(f"{source.name} cannot be downloaded", hint=f"srl data prepare {source.name} --from PATH")
        given, _ = download(source.name, source.url, source.sha256, cache)
    if not given.exists():
        raise DataError(f"there is no {given}", hint="Say where the files are: --from PATH")
    if given.suffix == ".zip":
        unpack(given, scratch)
        return Located(scratch)
    return Located(given)


def download_all(source: Source, plan: Plan, cache: Path) -> Located:
    """Files without a published checksum: trusted when they first come, held to what they were from then on."""
    folder = cache / digest(plan.urls)[:12]  # files of different releases have equal names
    found = {url: download(source.name, url, "", folder)[1] for url in plan.urls}
    return Located(folder, found)


def download(name: str, url: str, expected: str, cache: Path) -> tuple[Path, str]:
    """Into the cache, under its final name only once its checksum is right -> path, SHA-256."""
    path = cache / url.rsplit("/", 1)[-1]
    record = path.with_name(path.name + ".sha256")
    if found := fetched(path, record, expected):
        return path, found
    with locked(path, wait=True):
        if found := fetched(path, record, expected):  # by whom we waited for
            return path, found
        known = expected or recorded(record)
        with new_file(path) as draft:
            try:
                with urllib.request.urlopen(url, timeout=60) as stream, draft.open("wb") as into:
                    shutil.copyfileobj(stream, into)
                    size = stream.headers.get("Content-Length")
                _check_whole(draft, url, size)
            except (http.client.HTTPException, OSError) as error:
                raise StorageError(
                    f"cannot download {url}: {error}",
                    hint=f"Fetch it by hand, then: srl data prepare {name} --from PATH",
                ) from error
            found = sha256(draft)
            if known and found != known:
                was = "it was changed or cut off" if expected else "it is not what came the first time"
                hint = "" if expected else f"To accept what is there now: remove {record}"
                raise DamagedError(f"{url} has SHA-256 {found}, not {known}: {was}", hint=hint)
            if not known:
                write_text(record, found + "\n")
                said = "%s has no published checksum; what came has SHA-256 %s and will be held to it"
                log.warning(said, url, found)
    return path, found


def recorded(record: Path) -> str:
    """The SHA-256 that came the first time; "" where nothing came yet."""
    return record.read_text(encoding="ascii").strip() if record.is_file() else ""


def fetched(path: Path, record: Path, expected: str) -> str:
    """The SHA-256 of a file that is there as it should be, else ""."""
    known = expected or recorded(record)
    return known if known and path.is_file() and sha256(path) == known else ""


def _check_whole(draft: Path, url: str, size: str | None) -> None:
    """What no checksum guards must at least have the promised length and be of the promised kind."""
    if size is not None and draft.stat().st_size != int(size):
        raise OSError(f"cut off after {draft.stat().st_size:,} of {int(size):,} bytes")
    with draft.open("rb") as written:
        if url.endswith(".gz") and written.read(2) != b"\x1f\x8b":
            raise OSError("what came is no gzip file")


def unpack(archive: Path, folder: Path) -> None:
    """Refuses archives that would write elsewhere or unpack to far more than they hold."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            size = sum(member.file_size for member in bundle.infolist())
            if size > min(LARGEST, 200 * max(archive.stat().st_size, 10_000)):
                raise UnsafeError(f"{archive} would unpack to {size:,} bytes; it was not unpacked")
            for member in bundle.namelist():
                if not (folder / member).resolve().is_relative_to(folder.resolve()):
                    raise UnsafeError(f"{archive} would write outside its folder: {member}")
            bundle.extractall(folder)
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive} is not a zip archive: {error}") from error
