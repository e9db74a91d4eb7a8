"""Teachers: larger models whose answers a small network learns from, besides the labels.

A label says which emotion was meant; a teacher says how much of each it hears, and that is easier
for a small network to follow (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).
The teachers are model directories, run as any user would run them, once per clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.files import atomic_path
from affekt.runtime.backends import OnnxBackend
from affekt.runtime.bundle import open_bundle
from affekt.training.distil import DistilConfig
from affekt.training.features import Progress, clip_samples

FILE = "teachers.npz"


class Teachers:
    """Models that a run learns from.

    Parameters
    ----------
    config : DistilConfig
        With one teacher or more.
    folder : Path
        Keeps the answers, so that a run that goes on does not ask again.

    Raises
    ------
    ModelError
        If a teacher cannot be loaded.
    """

    def __init__(self, config: DistilConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self._bundles = [open_bundle(name) for name in config.teachers]
        self._backends = [OnnxBackend(bundle) for bundle in self._bundles]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What a model card says of them: name, licence, and speakers they have learned from."""
        return [
            {
                "name": backend.config.name,
                "licence": backend.config.licence,
                "speakers": _learned_from(backend.config.raw),
            }
            for backend in self._backends
        ]

    def refuse_leaks(self, held_out: Iterable[Clip]) -> None:
        """See that no teacher has learned from a speaker that a run is measured on.

        Raises
        ------
        DataError
            If one has: it would tell the student the answers.
        """
        measured_on = {clip.speaker_id for clip in held_out} - {""}
        for name, fact in zip(self.config.teachers, self.facts, strict=True):
            if leaking := sorted(measured_on.intersection(fact["speakers"])):
                raise DataError(
                    f"the teacher {name} has learned from {len(leaking)} speakers that this run is "
                    f"measured on ({', '.join(leaking[:3])}): split the data as the teacher did"
                )

    def answers(
        self, clips: Sequence[Clip], labels: Sequence[str], progress: Progress | None = None
    ) -> np.ndarray:
        """Mean probability of each label for each clip ``[clips, classes]``, float32.

        Raises
        ------
        ConfigError
            If a teacher does not know one of the labels.
        """
        for name, backend in zip(self.config.teachers, self._backends, strict=True):
            if unknown := sorted(set(labels) - set(backend.config.labels)):
                raise ConfigError(
                    f"the teacher {name} does not know {', '.join(unknown)}: "
                    "leave that out of data.labels, or take another teacher"
                )
        key = self._key(clips, labels)
        path = self.folder / FILE
        if path.is_file():
            with np.load(path) as kept:
                if kept["key"].item() == key:
                    return np.asarray(kept["probabilities"])
        probabilities = np.empty((len(clips), len(labels)), dtype=np.float32)
        for done, clip in enumerate(clips, start=1):
            probabilities[done - 1] = self._answer(clip, labels)
            if progress:
                progress("asking the teachers", done, len(clips))
        with atomic_path(path) as partial:
            np.savez_compressed(partial, key=key, probabilities=probabilities)
        return probabilities

    def _answer(self, clip: Clip, labels: Sequence[str]) -> np.ndarray:
        found = []
        for backend in self._backends:
            samples = clip_samples(clip, backend.config.sample_rate)
            probabilities = backend.run(samples[None])[0][0]
            found.append(probabilities[[backend.config.labels.index(label) for label in labels]])
        mean = np.mean(found, axis=0)
        return np.asarray(mean / mean.sum())

    def _key(self, clips: Sequence[Clip], labels: Sequence[str]) -> str:
        digest = hashlib.sha256()
        for bundle in self._bundles:
            digest.update(bundle.graph.read_bytes())
        asked = [(clip.file.name, clip.speaker_id, clip.start, clip.end) for clip in clips]
        digest.update(repr((asked, tuple(labels))).encode())
        return digest.hexdigest()


def _learned_from(raw: Mapping[str, Any]) -> list[str]:
    return list((raw.get("speakers") or {}).get("train", ()))
