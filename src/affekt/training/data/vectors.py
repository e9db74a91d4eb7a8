"""One vector of functionals per clip, computed once and kept in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

import affekt.features
from affekt.audio import SAMPLE_RATE
from affekt.data import Clip
from affekt.errors import AudioError
from affekt.features import functional_vector
from affekt.files import atomic_path
from affekt.training.data.features import (
    Progress,
    clip_key,
    clip_samples,
    code_version,
    report_unreadable,
)


class VectorStore:
    """Vectors of clips, in memory and in files that several runs may share.

    A file appears whole or not at all and its name tells what it was made from, so runs beside
    each other may compute the same vector, but never read half of one or an outdated one.

    Parameters
    ----------
    feature_set : str
        See :func:`affekt.features.functional_vector`.
    folder : Path, optional
        Where the files go; without it, vectors live in memory alone.
    """

    def __init__(self, feature_set: str, folder: Path | None = None) -> None:
        self.feature_set = feature_set
        self.folder = folder and folder / f"{feature_set}-{_code_version()}"
        self._vectors: dict[str, np.ndarray] = {}

    def get(self, clip: Clip) -> np.ndarray:
        """Features of a clip ``[features]``, float32; NaN where it has no such value.

        Raises
        ------
        AudioError
            If the clip cannot be read or measured.
        """
        key = clip_key(clip)
        if key not in self._vectors:
            self._vectors[key] = self._read(key, clip)
        return self._vectors[key]

    def matrix(self, clips: Sequence[Clip]) -> np.ndarray:
        """Features of clips ``[clips, features]``, float32."""
        return np.stack([self.get(clip) for clip in clips])

    def prepare(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Clip]:
        """Compute what is missing and return the clips that can be read.

        Raises
        ------
        DataError
            If more than a tenth of the clips cannot be read.
        """
        readable, errors = [], []
        for done, clip in enumerate(clips, start=1):
            try:
                self.get(clip)
                readable.append(clip)
            except AudioError as error:
                errors.append(str(error))
            if progress:
                progress("measuring clips", done, len(clips))
        report_unreadable(errors, len(clips))
        return readable

    def _read(self, key: str, clip: Clip) -> np.ndarray:
        if self.folder is None:
            return self._measure(clip)
        path = self.folder / f"{key}.npy"
        if path.exists():
            kept: np.ndarray = np.load(path, allow_pickle=False)
            return kept
        vector = self._measure(clip)
        with atomic_path(path) as partial:
            np.save(partial, vector)
        return vector

    def _measure(self, clip: Clip) -> np.ndarray:
        _, vector = functional_vector(
            clip_samples(clip, SAMPLE_RATE), SAMPLE_RATE, self.feature_set
        )
        return vector.astype(np.float32)


@lru_cache(maxsize=1)
def _code_version() -> str:
    return code_version(Path(affekt.features.__file__).parent)
