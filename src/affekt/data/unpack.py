"""Unpack an archive that came over the network: nothing leaves the folder, nothing stays half."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from affekt.data.progress import Progress, no_progress
from affekt.errors import DataError
from affekt.files import atomic_path

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
