"""Download a corpus from its official home into the data root.

    download (resumed, checked) -> unpack (safely) -> read, to see that all of it is there

A transfer that breaks leaves ``NAME.part``, and the next call goes on from there. A file gets its
name only when it is complete and its checksum, where the publisher states one, is right. What was
downloaded, with its computed SHA-256, is noted in ``downloads.csv`` in the corpus's folder.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from affekt.data.corpora import is_whole
from affekt.data.corpora.base import Corpus, Download
from affekt.data.corpora.compact import is_compact
from affekt.data.manifest import Clip
from affekt.data.progress import Progress, no_progress
from affekt.data.root import corpus_folder
from affekt.data.transfer import NotServedError, download
from affekt.errors import DataError
from affekt.files import atomic_path

RECORD = "downloads.csv"
RECORD_COLUMNS = ("path", "url", "bytes", "sha256", "checked_against")

_MOST_FAILURES = 10  # single files, of a corpus that comes file by file, before giving up
_SHA256_OF_POINTER = "oid sha256:"


def fetch(
    corpus: Corpus,
    root: str | os.PathLike[str] | None = None,
    *,
    mirror: str | None = None,
    progress: Progress = no_progress,
    connections: int = 6,
) -> list[Clip]:
    """Download and unpack what is missing of a corpus, and read it.

    Parameters
    ----------
    corpus : Corpus
        One of :data:`affekt.data.CORPORA`.
    root : path, optional
        See :func:`affekt.data.data_root`.
    mirror : str, optional
        Address of a folder that serves the same files under the names of ``Download.path``,
        used instead of the official home. The checksums stay the official ones.
    progress : Progress
        Called with bytes, or with files where a corpus comes file by file.
    connections : int
        Transfers at the same time, where a corpus comes file by file.

    Returns
    -------
    list of Clip
        The complete corpus.

    Raises
    ------
    DataError
        If the folder cannot be written, the server cannot be reached or does not have a file, a
        checksum is wrong, an archive is damaged or unsafe, or clips are missing at the end.
    """
    folder = corpus_folder(corpus.name, root)
    present = _complete(corpus, folder)
    if present is not None:
        return present
    if not corpus.downloads:
        raise DataError(
            f"{corpus.name} cannot be downloaded by affekt: ask for it, or fetch it, at "
            f"{corpus.homepage}, and put it into {folder}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch_whole(corpus, folder, mirror, progress)
        _fetch_pieces(corpus, folder, mirror, progress, connections)
    except OSError as error:
        where = error.filename or folder
        raise DataError(f"cannot write {where}: {error.strerror or error}") from error
    clips = corpus.read(folder)
    if len(clips) < corpus.clips:
        raise DataError(
            f"{corpus.name}: everything was downloaded, but {folder} holds only {len(clips)} of "
            f"{corpus.clips} clips; see {corpus.homepage}"
        )
    return clips


def _complete(corpus: Corpus, folder: Path) -> list[Clip] | None:
    """Return the clips if nothing of the corpus is missing, else None."""
    if is_compact(folder):
        return corpus.read(folder)
    if any(not d.archive and not (folder / d.path).is_file() for d in corpus.downloads):
        return None
    try:
        clips = corpus.read(folder) if folder.is_dir() else []
    except DataError:  # such as Git LFS pointers in place of audio, which fetching replaces
        return None
    return clips if clips and is_whole(corpus, folder, clips) else None


def _fetch_whole(corpus: Corpus, folder: Path, mirror: str | None, progress: Progress) -> None:
    """Fetch the files that are known by name; unpack archives and drop them."""
    for item in corpus.downloads:
        target = folder / item.path
        if not target.is_file():
            _fetch_one(item, folder, mirror, progress)
        if item.archive:
            unpack(target, folder, progress)
            target.unlink()


def _fetch_pieces(
    corpus: Corpus, folder: Path, mirror: str | None, progress: Progress, connections: int
) -> None:
    """Fetch the files that one of the corpus's own tables lists, several at a time."""
    if corpus.listing is None:
        return
    wanted = [_with_pointer(item, folder) for item in corpus.listing(folder)]
    missing = [item for item in wanted if item.checksum or not (folder / item.path).is_file()]
    failures: list[str] = []
    pool = ThreadPoolExecutor(max(1, connections))
    try:
        with progress(f"Downloading {corpus.name}, files", len(wanted)) as advance:
            advance(len(wanted) - len(missing))
            tasks = [pool.submit(_fetch_one, item, folder, mirror, no_progress) for item in missing]
            for task in as_completed(tasks):
                try:
                    task.result()
                    advance(1)
                except NotServedError as error:
                    failures.append(str(error))
                    if len(failures) > _MOST_FAILURES:
                        break
    finally:
        pool.shutdown(cancel_futures=True)
    if failures:
        raise DataError(
            f"{corpus.name}: at least {len(failures)} of {len(wanted)} files could not be had; the "
            f"first: {failures[0]}; run the command again to fetch only what is missing"
        )


def _with_pointer(item: Download, folder: Path) -> Download:
    """Take the publisher's checksum from the Git LFS pointer that lies in the file's place."""
    path = folder / item.path
    if path.is_file() and path.stat().st_size < 200:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(_SHA256_OF_POINTER):
                return replace(item, checksum=f"sha256:{line[len(_SHA256_OF_POINTER) :].strip()}")
    return item


def _fetch_one(item: Download, folder: Path, mirror: str | None, progress: Progress) -> None:
    """Fetch one file, check it, give it its name and note it."""
    url = item.url if mirror is None else f"{mirror.rstrip('/')}/{item.path}"
    target = folder / item.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    download(url, part, progress)
    sha256 = _check(item, part, url)
    part.replace(target)
    _note(folder, (item.path, url, target.stat().st_size, sha256, item.checksum))


def _check(item: Download, part: Path, url: str) -> str:
    """Return the SHA-256 of a downloaded file, after comparing it with what is known of it.

    Raises
    ------
    DataError
        If the published checksum is another one, or what came is not audio although it should
        be. The file is removed, so that the next call begins anew.
    """
    sums = _digests(part, {"sha256", item.checksum.partition(":")[0] or "sha256"})
    kind, _, expected = item.checksum.partition(":")
    if expected and sums[kind] != expected.lower():
        part.unlink()
        raise DataError(
            f"{url}: the {kind} checksum is {sums[kind]}, not {expected}: the file was damaged or "
            f"replaced; it was removed, run the command again"
        )
    if item.path.endswith(".wav") and not _is_whole_wav(part):
        part.unlink()
        raise NotServedError(f"{url}: what came is not a complete wav file")
    return sums["sha256"]


def _digests(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    # md5 only because publishers state it: it guards against damage, not against forgery.
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for state in hashes.values():
                state.update(block)
    return {kind: state.hexdigest() for kind, state in hashes.items()}


def _is_whole_wav(path: Path) -> bool:
    """Return whether a file is as long as its RIFF header says."""
    with path.open("rb") as file:
        header = file.read(12)
    announced = int.from_bytes(header[4:8], "little") + 8
    is_wav = header[:4] == b"RIFF" and header[8:] == b"WAVE"
    return is_wav and path.stat().st_size >= announced


_NOTING = threading.Lock()


def _note(folder: Path, row: tuple[str | int, ...]) -> None:
    """Append a line to the record; a record that cannot be written spoils no download."""
    record = folder / RECORD
    with _NOTING, suppress(OSError), record.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(RECORD_COLUMNS)
        writer.writerow(row)


# --- unpacking ---


_TAR = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError)


@dataclass(frozen=True)
class _Member:
    """One file of an archive."""

    name: str
    size: int  # bytes
    is_link: bool
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, progress: Progress = no_progress) -> None:
    """Unpack all files of a zip or tar archive below a folder.

    Each file appears under its name only when it is whole; a zip file's own CRCs are compared.
    Files that are there already, with the right size, are left alone, so that an interrupted call
    goes on.

    Raises
    ------
    DataError
        If the archive is damaged, or a member would land outside the folder; then nothing is
        unpacked. A damaged archive is removed, so that the next download begins anew.
    """
    try:
        with _members(archive) as members:
            targets = {_target(archive, member, folder): member for member in members}
            size = sum(member.size for member in members)
            if shutil.disk_usage(folder).free < size:
                raise DataError(f"{folder} has no room for the {size:,} bytes of {archive.name}")
            with progress(f"Unpacking {archive.name}, files", len(targets)) as advance:
                for target, member in targets.items():
                    _unpack_one(member, target)
                    advance(1)
    except _DAMAGE as error:
        archive.unlink()
        raise DataError(
            f"{archive} is damaged ({error}); it was removed, run the command again"
        ) from None


@contextmanager
def _members(archive: Path) -> Iterator[list[_Member]]:
    """Yield the files of an archive, without folders and what macOS adds."""
    if archive.name.lower().endswith(_TAR):
        with _open_tar(archive) as file:
            yield [_of_tar(file, one) for one in file.getmembers() if _is_wanted(one.name, one)]
    else:
        with zipfile.ZipFile(archive) as zipped:
            yield [
                _of_zip(zipped, one)
                for one in zipped.infolist()
                if not one.is_dir() and not one.filename.startswith("__MACOSX/")
            ]


@contextmanager
def _open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as file:
            yield file
    except OSError as error:
        if error.errno is not None:  # the disk's, not the archive's
            raise
        raise tarfile.ReadError(str(error)) from None


def _is_wanted(name: str, member: tarfile.TarInfo) -> bool:
    return not member.isdir() and not PurePosixPath(name).name.startswith("._")


def _of_zip(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Member:
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return _Member(member.filename, member.file_size, is_link, lambda: file.open(member))


def _of_tar(file: tarfile.TarFile, member: tarfile.TarInfo) -> _Member:
    def open_member() -> IO[bytes]:
        stream = file.extractfile(member)
        assert stream is not None  # only links and folders have none
        return stream

    return _Member(member.name, member.size, not member.isfile(), open_member)


def _target(archive: Path, member: _Member, folder: Path) -> Path:
    """Return where a member goes, or raise if that is not inside the folder."""
    name = PurePosixPath(member.name.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or ":" in (name.parts or ("",))[0]
    if outside or not name.parts or member.is_link:
        raise DataError(f"{archive} is not safe to unpack: {member.name!r} leads out of the folder")
    return folder.joinpath(*name.parts)


def _unpack_one(member: _Member, target: Path) -> None:
    if target.is_file() and target.stat().st_size == member.size:
        return
    with (
        atomic_path(target) as partial,
        member.open() as source,
        partial.open("wb") as copy,
    ):
        shutil.copyfileobj(source, copy)  # of a zip file, the last read compares the CRC
