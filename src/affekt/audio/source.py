"""Where a recording comes from: a path, bytes, an open file or a pipe, read in one way."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from typing import IO, Any, BinaryIO, TypeAlias, cast

from numpy.typing import NDArray

from affekt.audio.arrays import ARRAY_NAME
from affekt.errors import AudioError

AudioSource: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | tuple[NDArray[Any], int]"
"""A path, the bytes of a file, an open binary file, or samples with their rate in Hz."""

SPOOL_SIZE = 1 << 25
"""Bytes of a pipe that are kept in memory; what is longer goes to a temporary file."""


def source_name(source: object) -> str:
    """Return what messages call a source: its path, or what kind of thing it is."""
    if isinstance(source, (str, os.PathLike)):
        return str(os.fspath(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "audio bytes"
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return name if isinstance(name, str) else "audio stream"
    return ARRAY_NAME


def open_input(source: object, name: str) -> Input:
    """Open anything but an array for reading.

    Raises
    ------
    AudioError
        If it cannot be opened, or is nothing that holds a recording.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Input(io.BytesIO(source), name)
    if isinstance(source, (str, os.PathLike)):
        return Input(_open_path(source, name), name, owned=True)
    if hasattr(source, "read"):
        return Input(source, name)
    if hasattr(source, "__array__") or isinstance(source, list):
        raise AudioError(f"{name}: an array needs its sample rate; pass (array, rate)")
    raise AudioError(
        f"cannot load audio from {type(source).__name__}: "
        f"expected a path, bytes, a binary file or (array, rate)"
    )


class Input:
    """The bytes of one recording, from the present position to the end.

    Parameters
    ----------
    file : binary file
        Left open unless it is owned.
    name : str
        What messages call it.
    owned : bool
        Whether closing the input closes the file.
    """

    def __init__(self, file: Any, name: str, *, owned: bool = False) -> None:
        self.name = name
        self._file = file
        self._owned = owned
        self._head = b""  # read, but not taken yet
        self._base = _position(file)

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; fewer at the end."""
        while len(self._head) < size and (more := self._read(size - len(self._head))):
            self._head += more
        return self._head[:size]

    def read(self, size: int) -> bytes:
        """Return up to so many bytes, as soon as there are any; none at the end."""
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._read(size)

    def read_all(self, size: int) -> bytes:
        """Return so many bytes; fewer only at the end."""
        parts, missing = [], size
        while missing > 0 and (part := self.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def forward(self) -> IO[bytes]:
        """Return a file that can be read but not sought in."""
        return cast(IO[bytes], _Forward(self))

    def rewound(self) -> IO[bytes]:
        """Return a seekable file of the whole recording; what comes by pipe is kept for it.

        Raises
        ------
        AudioError
            If a long pipe cannot be kept in a temporary file.
        """
        if self._base is None:
            try:
                kept = tempfile.SpooledTemporaryFile(SPOOL_SIZE)  # noqa: SIM115  # closed by close
                shutil.copyfileobj(self.forward(), kept)
            except OSError as error:
                raise AudioError(
                    f"{self.name}: its format needs a file that can be read in any order, and "
                    f"this pipe cannot be kept in one ({error.strerror or error}); give a path"
                ) from None
            self._file, self._owned, self._base = kept, True, 0
        self._head = b""
        return cast(IO[bytes], Window(self._file, self.name, start=self._base))

    def is_empty(self) -> bool:
        """Return whether the source is empty."""
        return not self.peek(1)

    def was_read_before(self) -> bool:
        """Return whether the file was not at its beginning."""
        return bool(self._base)

    def close(self) -> None:
        """Close what was opened here; leave a file of others at its end."""
        if self._owned:
            self._file.close()
        elif self._base is not None and not getattr(self._file, "closed", False):
            self._file.seek(0, io.SEEK_END)

    def _read(self, size: int) -> bytes:
        # read1 gives what is there already, where a pipe would wait for all of it.
        return _checked_read(getattr(self._file, "read1", self._file.read), size, self.name)


class _Forward:
    """A file that can be read but not sought in."""

    def __init__(self, source: Input) -> None:
        self._source = source

    def read(self, size: int = SPOOL_SIZE) -> bytes:
        return self._source.read(size)


class Window:
    """A part of a seekable file, as a file of its own.

    Parameters
    ----------
    file : binary file
    name : str
        What messages call it.
    start, end : int
        Bytes; to the end of the file when None.
    """

    def __init__(self, file: Any, name: str, *, start: int = 0, end: int | None = None) -> None:
        self._file, self._name = file, name
        self._start, self._end = start, end
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes; all that is left by default."""
        if self._end is not None:
            left = max(0, self._end - int(self._file.tell()))
            size = left if size < 0 else min(size, left)
        return _checked_read(self._file.read, size, self._name)

    def readinto(self, target: memoryview) -> int:
        """Fill memory with the next bytes; return how many there were."""
        content = self.read(len(target))
        target[: len(content)] = content
        return len(content)

    def tell(self) -> int:
        """Return the position, from the beginning of the part."""
        return int(self._file.tell()) - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position of the part; return it."""
        if whence == io.SEEK_SET:
            offset += self._start
        elif whence == io.SEEK_CUR:
            offset += int(self._file.tell())
        elif self._end is not None:
            offset += self._end
        else:
            offset += int(self._file.seek(0, io.SEEK_END))
        # Decoders of damaged files ask for places before the first byte.
        self._file.seek(max(offset, self._start))
        return self.tell()


def _checked_read(read: Any, size: int, name: str) -> bytes:
    try:
        content = read(size)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: it cannot be read: {reason}") from None
    if content is None:
        raise AudioError(f"{name}: it cannot be read: it does not wait for its content")
    if not isinstance(content, bytes):
        raise AudioError(f"{name}: it is open as text; open it with mode 'rb'")
    return content


def _position(file: Any) -> int | None:
    """Return the position of a file; None where it cannot seek, as a pipe."""
    try:
        return int(file.tell()) if file.seekable() else None
    except (AttributeError, OSError, ValueError):  # ValueError: it is closed
        return None


def _open_path(path: str | os.PathLike[str], name: str) -> io.FileIO:
    try:
        return io.FileIO(os.fspath(path), "rb")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if os.path.isdir(path) and not isinstance(error, ValueError):
            reason = "it is a folder, not a recording; give the files in it"
        elif isinstance(error, FileNotFoundError):
            reason = "no such file; check the path"
            if "://" in name:
                reason = "addresses are not fetched; download the file and give its path"
        elif isinstance(error, PermissionError):
            reason = "permission denied; make the file and its folders readable for you"
        else:
            reason = f"it cannot be opened: {getattr(error, 'strerror', None) or error}"
        raise AudioError(f"{name}: {reason}") from None


def empty_error(source: Input) -> AudioError:
    """Return what to raise where a source holds nothing."""
    if source.was_read_before():
        return AudioError(f"{source.name}: nothing is left to read; rewind it with seek(0)")
    return AudioError(f"{source.name}: it is empty (0 bytes); record or download it again")
