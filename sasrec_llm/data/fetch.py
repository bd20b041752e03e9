"""Where a source's files come from: a folder, a file, a zip, or a checked download."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from sasrec_llm.components import Source
from sasrec_llm.durable import sha256
from sasrec_llm.errors import DamagedError, DataError, StorageError, UnsafeError

LARGEST = 20 * 2**30  # bytes an archive may unpack to


def locate(source: Source, given: Path | None, cache: Path, scratch: Path) -> Path:
    """The folder or file to read; archives are unpacked into `scratch`, generated data is written there."""
    if given is None and source.generated:
        return scratch
    if given is None:
        if not source.url:
            raise DataError(f"{source.name} cannot be downloaded", hint=f"srl data prepare {source.name} --from PATH")
        given = download(source, cache)
    if not given.exists():
        raise DataError(f"there is no {given}")
    if given.suffix == ".zip":
        unpack(given, scratch)
        return scratch
    return given


def download(source: Source, cache: Path) -> Path:
    """Into the cache, under its final name only once its checksum is right."""
    path = cache / source.url.rsplit("/", 1)[-1]
    if path.is_file() and sha256(path) == source.sha256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, prefix=".tmp-", delete=False) as draft:
        try:
            with urllib.request.urlopen(source.url, timeout=60) as stream:
                shutil.copyfileobj(stream, draft)
        except (urllib.error.URLError, OSError) as error:
            Path(draft.name).unlink(missing_ok=True)
            raise StorageError(
                f"cannot download {source.url}: {error}",
                hint=f"Fetch it by hand, then: srl data prepare {source.name} --from FILE",
            ) from error
    found = sha256(Path(draft.name))
    if found != source.sha256:
        Path(draft.name).unlink()
        raise DamagedError(f"{source.url} has SHA-256 {found}, not {source.sha256}: it was changed or cut off")
    os.replace(draft.name, path)
    return path


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
