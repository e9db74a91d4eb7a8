"""What is finished, kept on disk while the rest is done: a killed run loses nothing.

Beside ``table.csv`` grows ``.table.csv.unfinished``: records of one file each, appended as soon
as the file is done. The next run of the same command reads them, drops a record that was cut
off, and does only what is missing or has failed. When the table is whole, the journal goes.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from affekt.errors import DataError
from affekt.features.job import Job, Measured

_HEAD = struct.Struct("<4sII")  # mark, bytes of the record, checksum of the record
_MARK = b"affk"


class Journal:
    """The finished files of one table.

    Parameters
    ----------
    out : Path
        The table that is to be written.
    job : Job
        What is measured.
    names : sequence of str
        Columns of the table.

    Raises
    ------
    DataError
        If there is a journal of another job, or another run is writing it.
    """

    def __init__(self, out: Path, job: Job, names: Sequence[str]) -> None:
        self.path = out.with_name(f".{out.name}.unfinished")
        self._frames = job.per == "frame"
        self._places: dict[str, int] = {}
        out.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self._file = io.FileIO(self.path, "r+")  # unbuffered: what is added is kept
        try:
            self._lock(out)
            self._resume({"job": asdict(job), "names": list(names)}, out)
        except BaseException:
            self._file.close()
            raise

    def _lock(self, out: Path) -> None:
        """Keep other runs out; the lock goes with the process, however it ends."""
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"{out}: another run is writing it; wait for that one") from None

    def _resume(self, own: dict[str, Any], out: Path) -> None:
        """Read what an earlier run left; cut off what it left half done."""
        own = json.loads(json.dumps(own))  # as it is read: no tuples
        place = 0
        for meta, _, end in records(self._file):
            if place == 0 and meta != own:
                raise DataError(
                    f"{out}: an unfinished run with other options has left {self.path}; "
                    f"finish that run, or delete this file to begin anew"
                )
            # What failed is tried again: the reason may be gone.
            if place and not meta["error"]:
                self._places[_key(meta["file"], meta["stamp"])] = place
            place = end
        self._file.truncate(place)
        self._file.seek(place)
        if place == 0:
            self._append(own, b"")

    def __contains__(self, file: str) -> bool:
        """Whether a file is done, and has not changed since."""
        return _key(file, _stamp(file)) in self._places

    def add(self, measured: Measured) -> None:
        """Keep what came of a file."""
        values = measured.values.astype("<f4" if self._frames else "<f8")
        stamp = _stamp(measured.file)
        meta = {
            "file": measured.file,
            "stamp": stamp,
            "shape": values.shape,
            "error": measured.error,
        }
        place = self._append(meta, values.tobytes())
        self._places[_key(measured.file, stamp)] = place

    def _append(self, meta: dict[str, Any], content: bytes) -> int:
        place = self._file.seek(0, os.SEEK_END)
        record = json.dumps(meta).encode() + b"\n" + content
        record = _HEAD.pack(_MARK, len(record), zlib.crc32(record)) + record
        while record:
            record = record[self._file.write(record) :]
        return place

    def read(self, file: str) -> Measured:
        """Return what came of a file that is done."""
        self._file.seek(self._places[_key(file, _stamp(file))])
        meta, content, _ = next(records(self._file))
        kind = "<f4" if self._frames else "<f8"
        values = np.frombuffer(content, kind).reshape(meta["shape"])
        return Measured(file, values.astype(np.float64), meta["error"])

    def close(self, *, finished: bool) -> None:
        """End; remove the journal if its table is written."""
        self._file.close()
        if finished:
            self.path.unlink(missing_ok=True)


@contextmanager
def journal(out: Path, job: Job, names: Sequence[str]) -> Iterator[Journal]:
    """Open the journal of a table; remove it if the block ends well, else keep it."""
    book = Journal(out, job, names)
    finished = False
    try:
        yield book
        finished = True
    finally:
        book.close(finished=finished)


def records(file: io.FileIO) -> Iterator[tuple[dict[str, Any], bytes, int]]:
    """Yield what each whole record from here on tells and holds, and where it ends.

    The first record of a journal tells of the job, every other one of a file.
    """
    while True:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        mark, size, checksum = _HEAD.unpack(head)
        record = file.read(size) if mark == _MARK else b""
        if len(record) < size or mark != _MARK or zlib.crc32(record) != checksum:
            return
        meta, _, content = record.partition(b"\n")
        yield json.loads(meta), content, file.tell()


def _stamp(file: str) -> list[int]:
    """Return what changes when a file does; nothing for one that is not there."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return []
    return [status.st_size, status.st_mtime_ns]


def _key(file: str, stamp: Sequence[int]) -> str:
    return json.dumps([file, *stamp])
