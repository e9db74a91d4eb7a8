"""What is finished, kept on disk while the rest is done: a killed run loses nothing.

Beside ``table.csv`` grows ``.table.csv.unfinished``: records of one file each, appended as soon
as the file is done. The next run of the same command reads them, drops a record that was cut
off, and does only what is missing or has failed. When the output is whole, the journal goes.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from affekt.errors import DataError

_HEAD = struct.Struct("<4sII")  # mark, bytes of the record, checksum of the record
_MARK = b"affk"


@dataclass(frozen=True)
class JournalEntry:
    """What is kept of one file.

    Attributes
    ----------
    file : str
    facts : mapping
        Whatever JSON can hold.
    content : bytes
    error : str
        A file with an error is tried again by the next run: the reason may be gone.
    """

    file: str
    facts: Mapping[str, Any]
    content: bytes = b""
    error: str = ""


Done = TypeVar("Done")


@dataclass(frozen=True)
class Work(Generic[Done]):
    """Work on many files that a journal keeps.

    Attributes
    ----------
    name : str
        What is shown beside its progress.
    depends : mapping
        What the answers depend on; a journal of other work is refused.
    each : callable
        Takes files, those that may end the process which reads them, and a function that is called
        with each before it is read; yields the outcome of each file as soon as it is done. Who
        stops early closes it: that ends its processes.
    keep : callable
        Of what became of a file, its record.
    recall : callable
        The other way round.
    """

    name: str
    depends: Mapping[str, Any]
    each: Callable[
        [Sequence[str], Collection[str], Callable[[str], None]], Generator[Done, None, None]
    ]
    keep: Callable[[Done], JournalEntry]
    recall: Callable[[JournalEntry], Done]


class Journal:
    """The finished files of one output.

    Parameters
    ----------
    out : Path
        What is to be written.
    own : mapping
        What the work depends on; a journal of other work is refused.
    resume : bool
        Whether to go on where an earlier run was interrupted; refused otherwise.

    Raises
    ------
    DataError
        If there is a journal of other work, or of an interrupted run that is not to be resumed,
        or another run is writing it.

    Attributes
    ----------
    begun : set of str
        Files that an earlier run had begun when it ended: one of them may have ended it.
    """

    def __init__(self, out: Path, own: Mapping[str, Any], *, resume: bool = True) -> None:
        self.path = out.with_name(f".{out.name}.unfinished")
        self._places: dict[str, int] = {}
        self.begun: set[str] = set()
        out.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self._file = io.FileIO(self.path, "r+")  # unbuffered: what is added is kept
        try:
            self._lock(out)
            self._resume(json.loads(json.dumps(own)), out)  # as it is read: no tuples
            if self._places and not resume:
                raise DataError(
                    f"{out}: an interrupted run has left {len(self._places)} finished recordings: "
                    f"add --resume to go on, or delete {self.path} to begin again"
                )
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
        place = 0
        for meta, _, end in records(self._file):
            if place and "begun" in meta:
                self.begun.add(meta["begun"])
                place = end
                continue
            self.begun.discard(meta.get("file", ""))
            if place == 0 and meta != own:
                raise DataError(
                    f"{out}: an unfinished run with other options has left {self.path}; "
                    f"finish that run, or delete this file to begin again"
                )
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

    def __len__(self) -> int:
        """How many files are done, counting those that have changed since."""
        return len(self._places)

    def kept(self) -> int:
        """How many files the disk holds: also one whose record an interruption kept unnoted."""
        self._file.seek(0)
        return len({meta["file"] for meta, _, _ in records(self._file) if "file" in meta})

    def begin(self, file: str) -> None:
        """Note that work on a file begins, in case that it ends this process."""
        self._append({"begun": file}, b"")

    def add(self, record: JournalEntry) -> None:
        """Keep what came of a file."""
        stamp = _stamp(record.file)
        facts = {"file": record.file, "stamp": stamp, "error": record.error, "facts": record.facts}
        place = self._append(facts, record.content)
        self._places[_key(record.file, stamp)] = place

    def _append(self, meta: dict[str, Any], content: bytes) -> int:
        place = self._file.seek(0, os.SEEK_END)
        record = json.dumps(meta).encode() + b"\n" + content
        record = _HEAD.pack(_MARK, len(record), zlib.crc32(record)) + record
        try:
            while record:
                record = record[self._file.write(record) :]
        except OSError as error:
            raise DataError(
                f"{self.path}: {error.strerror}: what was finished before is kept; make room, "
                f"then go on with the same command (affekt predict: add --resume)"
            ) from None
        return place

    def read(self, file: str) -> JournalEntry:
        """Return what came of a file that is done."""
        self._file.seek(self._places[_key(file, _stamp(file))])
        meta, content, _ = next(records(self._file))
        return JournalEntry(file, meta["facts"], content, meta["error"])

    def close(self, *, finished: bool) -> None:
        """End; remove the journal if its output is written."""
        self._file.close()
        if finished:
            self.path.unlink(missing_ok=True)


@contextmanager
def journal(out: Path, own: Mapping[str, Any], *, resume: bool = True) -> Iterator[Journal]:
    """Open the journal of an output; remove it if the block ends well, else keep it."""
    book = Journal(out, own, resume=resume)
    finished = False
    try:
        yield book
        finished = True
    finally:
        # What holds nothing is no help to the next run.
        book.close(finished=finished or not book.kept())


def records(file: io.FileIO) -> Iterator[tuple[dict[str, Any], bytes, int]]:
    """Yield what each whole record from here on tells and holds, and where it ends.

    The first record of a journal tells of the work, every other one of a file.
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
