"""Teachers: larger models whose answers a small network learns from, besides the labels.

A label says which emotion was meant; a teacher gives a probability of each, and that is easier
for a small network to follow (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).
The teachers are model directories, run as any user would run them, once per clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation.calibration import apply_temperature
from affekt.files import atomic_path
from affekt.models import Network
from affekt.runtime.backends import OnnxBackend
from affekt.runtime.bundle import open_bundle
from affekt.training.data.features import FeatureStore, Progress, clip_samples
from affekt.training.network.infer import embed_clips, score_clips
from affekt.training.recipe.schema import DistilConfig

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
    def metadata(self) -> list[dict[str, Any]]:
        """Their entries in a model card: name, licence, and training speakers."""
        return [
            {
                "name": backend.config.name,
                "licence": backend.config.licence,
                "speakers": _learned_from(backend.config.raw),
            }
            for backend in self._backends
        ]

    def refuse_leaks(self, held_out: Iterable[Clip]) -> None:
        """Check that no teacher was trained on a speaker that a run is measured on.

        Raises
        ------
        DataError
            If one has: it would tell the student the answers.
        """
        measured_on = {clip.speaker_id for clip in held_out} - {""}
        for name, fact in zip(self.config.teachers, self.metadata, strict=True):
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
            If a teacher lacks one of the labels.
        """
        for name, backend in zip(self.config.teachers, self._backends, strict=True):
            if unknown := sorted(set(labels) - set(backend.config.labels)):
                raise ConfigError(
                    f"the teacher {name} lacks {', '.join(unknown)}: "
                    "leave that out of data.labels, or take another teacher"
                )
        found, _ = self._ask(clips, progress)
        chosen = []
        for backend, probabilities in zip(self._backends, found, strict=True):
            columns = [backend.config.labels.index(label) for label in labels]
            chosen.append(probabilities[:, columns])
        mean = np.mean(chosen, axis=0)
        return np.asarray(mean / mean.sum(axis=1, keepdims=True))

    def embeddings(self, clips: Sequence[Clip], progress: Progress | None = None) -> np.ndarray:
        """Embeddings of each clip, those of all teachers side by side ``[clips, values]``."""
        _, found = self._ask(clips, progress)
        return np.concatenate(found, axis=1)

    def _ask(
        self, clips: Sequence[Clip], progress: Progress | None
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Probabilities and embeddings of each teacher, from a file where they lie already."""
        key, path = self._key(clips), self.folder / FILE
        count = len(self._backends)
        if path.is_file():
            with np.load(path) as kept:
                if kept["key"].item() == key:
                    return (
                        [kept[f"probabilities-{number}"] for number in range(count)],
                        [kept[f"embeddings-{number}"] for number in range(count)],
                    )
        rows: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(count)]
        for done, clip in enumerate(clips, start=1):
            for backend, answers in zip(self._backends, rows, strict=True):
                samples = clip_samples(clip, backend.config.sample_rate)
                found = backend.run(samples[None])
                answers.append((found["probabilities"][0], found["embedding"][0]))
            if progress:
                progress("asking the teachers", done, len(clips))
        probabilities, embeddings = (
            [np.stack([row[part] for row in answers]) for answers in rows] for part in (0, 1)
        )
        kept = {f"probabilities-{number}": item for number, item in enumerate(probabilities)}
        kept |= {f"embeddings-{number}": item for number, item in enumerate(embeddings)}
        with atomic_path(path) as partial:
            np.savez_compressed(partial, key=key, **kept)
        return probabilities, embeddings

    def _key(self, clips: Sequence[Clip]) -> str:
        digest = hashlib.sha256()
        for bundle in self._bundles:
            digest.update(bundle.graph.read_bytes())
        identities = [(clip.file.name, clip.speaker_id, clip.start, clip.end) for clip in clips]
        digest.update(repr(identities).encode())
        return digest.hexdigest()


class NetworkTeachers:
    """Networks that have learned from the clips that they now answer for.

    Parameters
    ----------
    networks : sequence of (Network, FeatureStore)
        Each with the features of its own frontend.
    """

    def __init__(self, networks: Sequence[tuple[Network, FeatureStore]]) -> None:
        self.networks = networks

    def answers(
        self, clips: Sequence[Clip], labels: Sequence[str], progress: Progress | None = None
    ) -> np.ndarray:
        """Answer as :meth:`Teachers.answers` does."""
        found = []
        for network, store in self.networks:
            learned = network.config.labels
            if unknown := sorted(set(labels) - set(learned)):
                raise ConfigError(f"a teacher lacks {', '.join(unknown)}")
            logits = score_clips(network, clips, store)
            own = [learned.index(label) for label in labels]
            found.append(apply_temperature(logits[:, own], float(network.temperature)))
        return np.asarray(np.mean(found, axis=0))

    def embeddings(self, clips: Sequence[Clip], progress: Progress | None = None) -> np.ndarray:
        """Embeddings of each clip, those of all teachers side by side ``[clips, values]``."""
        return np.concatenate(
            [embed_clips(network, clips, store) for network, store in self.networks], axis=1
        )


def _learned_from(raw: Mapping[str, Any]) -> list[str]:
    return list((raw.get("speakers") or {}).get("train", ()))


if TYPE_CHECKING:
    from affekt.training.data.features import Progress

_RAREST = 1e-8  # probability; what a teacher rules out keeps a finite logarithm


class Teaching(Protocol):
    """The teachers of a student's clips."""

    def answers(
        self, clips: Sequence[Clip], labels: Sequence[str], progress: Progress | None = None
    ) -> np.ndarray:
        """Mean probability of each label for each clip ``[clips, classes]``."""

    def embeddings(self, clips: Sequence[Clip], progress: Progress | None = None) -> np.ndarray:
        """Embeddings of each clip, those of all teachers side by side ``[clips, values]``."""


def standardised(embeddings: np.ndarray) -> np.ndarray:
    """Each value with mean 0 and variance 1 over the clips ``[clips, values]``, float32."""
    scale = embeddings.std(axis=0, dtype=np.float64)
    centred = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    return np.asarray(centred / np.where(scale > 0, scale, 1), dtype=np.float32)


def blended(
    config: DistilConfig, own: np.ndarray, answers: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Blend the targets of the labels with those of the teachers.

    Parameters
    ----------
    config : DistilConfig
    own : np.ndarray [shape=(clips, classes)]
        Probabilities that follow from the labels.
    answers : np.ndarray [shape=(clips, classes)]
        Those of the teachers.
    allowed : np.ndarray of bool [shape=(clips, classes)]
        Classes of the clip's corpus; others of the teachers are left out.

    Returns
    -------
    np.ndarray [shape=(clips, classes), float32]
        Rows sum to 1.
    """
    softened = np.maximum(answers, _RAREST) ** (1 / config.temperature) * allowed
    softened = softened / softened.sum(axis=1, keepdims=True)
    return np.asarray((1 - config.weight) * own + config.weight * softened, dtype=np.float32)
