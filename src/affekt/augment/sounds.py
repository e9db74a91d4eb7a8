"""Folders of sounds to augment with: found once, loaded when drawn, kept while memory lasts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from affekt.audio import load_audio
from affekt.augment.waveform import Samples
from affekt.errors import AudioError, DataError

SUFFIXES = frozenset(".aac .aif .aiff .flac .m4a .mp3 .oga .ogg .opus .wav .webm".split())
"""What counts as a sound; other files (licences, annotations) are passed over."""

CACHE_BYTES = 256 * 2**20
"""Decoded sounds kept in memory by one folder."""


class SoundFolder:
    """The sounds below a folder.

    Parameters
    ----------
    folder : Path
    what : str
        What is expected there, for messages.
    inside : sequence of str
        Names of sub-folders to keep to; the whole folder when empty.

    Raises
    ------
    DataError
        If the folder, or one of the sub-folders, is missing or holds no sounds.
    """

    def __init__(self, folder: Path, what: str, inside: Sequence[str] = ()) -> None:
        self.what = what
        places = [folder / name for name in inside] or [folder]
        self.groups = tuple(_sounds(place, what) for place in places)
        """Files of each sub-folder, in order."""
        self._loaded: OrderedDict[tuple[Path, int], Samples] = OrderedDict()
        self._bytes = 0

    def load(self, file: Path, sample_rate: int) -> Samples:
        """Return a sound as mono samples at a rate; do not write to it.

        Raises
        ------
        DataError
            If it cannot be read, or is silent: neither may quietly become a training clip.
        """
        key = (file, sample_rate)
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key]
        try:
            samples = load_audio(file, sample_rate=sample_rate)
        except AudioError as error:
            raise DataError(f"{self.what}: {error}") from None
        if not samples.any():
            raise DataError(f"{self.what}: {file} is silent; remove it from the folder")
        self._loaded[key] = samples
        self._bytes += samples.nbytes
        while self._bytes > CACHE_BYTES and len(self._loaded) > 1:
            self._bytes -= self._loaded.popitem(last=False)[1].nbytes
        return samples


def _sounds(folder: Path, what: str) -> tuple[Path, ...]:
    if not folder.is_dir():
        raise DataError(f"{what}: no folder {folder}; check the path")
    # In order of their names, so that a seed means the same on every file system.
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{what}: no sounds in {folder}; expected {', '.join(sorted(SUFFIXES))}")
    return tuple(found)
