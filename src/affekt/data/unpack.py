"""Unpack a zip file that came over the network: nothing leaves the folder, nothing stays half."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from affekt.data.progress import Progress, no_progress
from affekt.errors import DataError
from affekt.files import atomic_path


def unpack(archive: Path, folder: Path, progress: Progress = no_progress) -> None:
    """Unpack all files of an archive below a folder.

    Each file appears under its name only when it is whole and its CRC is right; files that are
    there already, with the right size, are left alone, so that an interrupted call goes on.

    Raises
    ------
    DataError
        If the archive is damaged, or a member would land outside the folder; then nothing is
        unpacked. A damaged archive is removed, so that the next download begins anew.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            targets = {_target(archive, member, folder): member for member in _members(file)}
            size = sum(member.file_size for member in targets.values())
            if shutil.disk_usage(folder).free < size:
                raise DataError(f"{folder} has no room for the {size:,} bytes of {archive.name}")
            with progress(f"Unpacking {archive.name}, files", len(targets)) as advance:
                for target, member in targets.items():
                    _unpack_one(file, member, target)
                    advance(1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        archive.unlink()
        raise DataError(
            f"{archive} is damaged ({error}); it was removed, run the command again"
        ) from None


def _members(file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, without folders and what macOS adds."""
    return [
        member
        for member in file.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]


def _target(archive: Path, member: zipfile.ZipInfo, folder: Path) -> Path:
    """Return where a member goes, or raise if that is not inside the folder."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or ":" in (name.parts or ("",))[0]
    if outside or not name.parts or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            f"{archive} is not safe to unpack: {member.filename!r} leads out of the folder"
        )
    return folder.joinpath(*name.parts)


def _unpack_one(file: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    if target.is_file() and target.stat().st_size == member.file_size:
        return
    with (
        atomic_path(target) as partial,
        file.open(member) as source,
        partial.open("wb") as copy,
    ):
        shutil.copyfileobj(source, copy)  # the last read compares the CRC
