"""Features of the clips and of their variants, computed once by the model's own frontend."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import affekt.models
from affekt.audio import load_audio, resample
from affekt.augment import Compose
from affekt.data import Clip
from affekt.errors import AudioError, DataError
from affekt.files import atomic_path
from affekt.models.frontend import FrontendConfig, build_frontend
from affekt.models.registry import Encoder
from affekt.training.recipe.schema import Recipe

_log = logging.getLogger("affekt.training")

FEATURES = "features"
"""Folder with what serves all folds of a benchmark, and its other recipes."""
_MOST_UNREADABLE = 0.1  # beyond this share something is wrong with the corpus, not with a file

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""

Span = tuple[Path, float | None, float | None]
"""A stretch of a recording: file, start and end in seconds."""


class FeatureStore:
    """Log-mel of clips, at several playback speeds or in several variants, as float16 in memory.

    A second of audio takes 13 kB per speed or variant at 64 mel bands and 100 frames a second, and
    32 kB as a waveform; of an encoder with 12 layers of 768 channels that stays as it is, 1 MB.

    Parameters
    ----------
    frontend : FrontendConfig
        The frontend of the model: training sees exactly what the exported graph computes.
    folder : Path, optional
        Keeps what encoders that stay as they are make of clips, for other processes.
    encoder : Encoder, optional
        Keep its :meth:`~affekt.models.registry.Encoder.frozen_features` of the first stage.
    """

    def __init__(
        self,
        frontend: FrontendConfig,
        folder: Path | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.frontend = frontend
        self.folder = folder
        self.encoder = encoder
        self._frontend = build_frontend(frontend).eval()
        self._above: dict[str, FeatureStore] = {}
        self._features: dict[tuple[Span, float | Variant], np.ndarray] = {}
        self._silent: set[Span] = set()

    @property
    def frames_per_second(self) -> float:
        """Frames that are kept, per second of audio."""
        stride = self.encoder.time_stride if self.encoder is not None else 1
        return self.frontend.frames_per_second / stride

    def through(self, encoder: Encoder) -> FeatureStore:
        """The store that serves an encoder best: this one, or of what stays as it is of it.

        Encoders with the same weights share it: from fold to fold, and from seed to seed.
        """
        if self.encoder is not None or not encoder.still:
            return self
        same = _fingerprint_frozen(encoder, self.frontend)
        if same not in self._above:
            folder = self.folder and self.folder / same[:16]
            # The one before is done with.
            self._above = {same: FeatureStore(self.frontend, folder, encoder)}
        return self._above[same]

    def get(self, clip: Clip, speed: float = 1.0) -> np.ndarray:
        """First stage of the frontend ``[rows, frames]``, float16, of a clip.

        Raises
        ------
        AudioError
            If the clip cannot be read.
        """
        return self.version(clip, speed)

    def get_variant(self, clip: Clip, variant: Variant) -> np.ndarray:
        """First stage of the frontend ``[rows, frames]``, float16, of a variant of a clip.

        Raises
        ------
        AudioError
            If the clip cannot be read.
        DataError
            If a sound to augment with cannot be used.
        """
        return self.version(clip, variant)

    def version(self, clip: Clip, version: float | Variant) -> np.ndarray:
        """The same of a playback speed or a variant."""
        self._compute(clip, (version,))
        return self._features[_span(clip), version]

    def prepare(
        self,
        clips: Sequence[Clip],
        speeds: Iterable[float],
        progress: Progress | None = None,
        variants: Sequence[Variant] = (),
    ) -> list[Clip]:
        """Compute the features of all clips and return those that can be read and are not silent.

        The others are named in warnings of the logger ``affekt.training``. Variants of other
        seeds are forgotten: a benchmark goes from seed to seed, and memory would not last.

        Raises
        ------
        DataError
            If more than a tenth of the clips cannot be read, or a sound to augment with cannot
            be used.
        """
        versions: tuple[float | Variant, ...] = (*speeds, *variants)
        if variants:
            self._forget_seeds_but({variant.seed for variant in variants})
        readable, errors = [], []
        for done, clip in enumerate(clips, start=1):
            try:
                self._compute(clip, versions)
                first = self._features[_span(clip), versions[0]]
                if _span(clip) in self._silent or not np.ptp(first):
                    raise AudioError(f"{clip.file}: it is silent")
                readable.append(clip)
            except AudioError as error:
                errors.append(str(error))
            if progress:
                progress("reading audio", done, len(clips))
        report_unreadable(errors, len(clips))
        return readable

    def statistics(self, clips: Sequence[Clip]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the features over clips.

        Returns
        -------
        np.ndarray, np.ndarray [shape=() or (channels, 1), float64]
            One for all channels where these are alike, else one for each. 0 and 1 of waveforms,
            which encoders know as their normalisation leaves them.
        """
        if not self.frontend.spectral:
            return np.zeros(()), np.ones(())
        axis = None if self.frontend.one_scale else 1
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for clip in clips:
            spectrum = torch.from_numpy(self.get(clip).astype(np.float32))[None]
            with torch.inference_mode():
                values = self._frontend.features(spectrum)[0].double().numpy()
            count += values.size if axis is None else values.shape[axis]
            total = total + values.sum(axis=axis, keepdims=axis is not None)
            squares = squares + (values**2).sum(axis=axis, keepdims=axis is not None)
        mean = total / count
        scale = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
        return np.asarray(mean), np.asarray(scale)

    def mean_log_mel(self, clips: Sequence[Clip]) -> float:
        """Mean over clips, bands and frames of the log-mel, which tells a model nothing.

        0 of waveforms, which have none.
        """
        if not self.frontend.spectral:
            return 0.0
        count, total = 0, 0.0
        for clip in clips:
            log_mel = self.get(clip)[: self.frontend.n_mels].astype(np.float64)
            count, total = count + log_mel.size, total + log_mel.sum()
        return float(total / count)

    def _forget_seeds_but(self, seeds: set[int]) -> None:
        self._features = {
            (span, version): features
            for (span, version), features in self._features.items()
            if not isinstance(version, Variant) or version.seed in seeds
        }

    def _compute(self, clip: Clip, versions: Iterable[float | Variant]) -> None:
        span = _span(clip)
        missing = [version for version in versions if (span, version) not in self._features]
        for version in list(missing):
            path = self._path(clip, version)
            if path and path.exists():
                self._features[span, version] = np.load(path, allow_pickle=False)
                missing.remove(version)
        if not missing:
            return
        rate = self.frontend.sample_rate
        samples = clip_samples(clip, rate)
        if not np.ptp(samples):
            self._silent.add(span)
        for version in missing:
            prepared = (
                version.apply(samples, clip, rate)
                if isinstance(version, Variant)
                else play(samples, version, rate)
            )
            features = self._features[span, version] = self._prepared(prepared)
            if path := self._path(clip, version):
                with atomic_path(path) as partial:
                    np.save(partial, features)

    @torch.inference_mode()
    def _prepared(self, samples: np.ndarray) -> np.ndarray:
        spectrum = self._frontend(torch.from_numpy(samples)[None])
        if self.encoder is not None:
            device = next(self.encoder.parameters()).device
            spectrum = self.encoder.frozen_features(spectrum.to(device)).cpu()
        features: np.ndarray = spectrum[0].numpy().astype(np.float16)
        return features

    def _path(self, clip: Clip, version: float | Variant) -> Path | None:
        """Where features of an encoder lie; None for those that are not kept in files."""
        if self.folder is None or self.encoder is None or isinstance(version, Variant):
            return None
        faster = "" if version == 1 else f"-{version:g}"
        return self.folder / f"{clip_key(clip)}{faster}.npy"


def clip_key(clip: Clip) -> str:
    """Name of a stretch of a recording; another one once the file is replaced.

    Raises
    ------
    AudioError
        If there is no such file.
    """
    try:
        facts = clip.file.stat()
    except OSError as error:
        raise AudioError(f"cannot read {clip.file}: {error.strerror}") from error
    stamp = [str(clip.file.resolve()), facts.st_size, facts.st_mtime_ns, clip.start, clip.end]
    return hashlib.sha256(repr(stamp).encode()).hexdigest()[:32]


def code_version(*places: Path) -> str:
    """Fingerprint of code, files or folders: when it changes, so may all that it computes."""
    sources = [path for place in places for path in sorted(place.rglob("*.py")) or [place]]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def clip_samples(clip: Clip, rate: int) -> np.ndarray:
    """The clip's own stretch of its recording, float32 ``[samples]`` at ``rate`` Hz.

    Raises
    ------
    AudioError
        If the recording cannot be read, or ends before the stretch begins.
    """
    samples = load_audio(clip.file, sample_rate=rate)
    if clip.start is None and clip.end is None:
        return samples
    first = int((clip.start or 0.0) * rate)
    last = len(samples) if clip.end is None else int(clip.end * rate)
    if not len(samples[first:last]):
        raise AudioError(f"{clip.file}: nothing between {clip.start} and {clip.end} s")
    return samples[first:last]


def report_unreadable(errors: Sequence[str], n_clips: int) -> None:
    """Warn of clips that cannot be read; raise DataError if they are too many of them all."""
    if len(errors) > _MOST_UNREADABLE * n_clips:
        raise DataError(f"{len(errors)} of {n_clips} clips cannot be read, the first: {errors[0]}")
    for message in errors:
        _log.warning("left out: %s", message)


def _fingerprint_frozen(encoder: Encoder, frontend: FrontendConfig) -> str:
    """SHA-256 of what decides the frozen features of an encoder."""
    models = Path(affekt.models.__file__).parent
    own = Path(inspect.getfile(type(encoder)))
    made_by = code_version(own, *(models / name for name in ("frontend", "layers")))
    digest = hashlib.sha256(f"{made_by} {frontend} {encoder.time_stride}".encode())
    for name, weight in encoder.named_parameters():
        if not weight.requires_grad:
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _span(clip: Clip) -> Span:
    """The stretch of audio alone, so that relabelled or re-split clips share their features."""
    return clip.file, clip.start, clip.end


def pad(
    features: Sequence[np.ndarray], fill: float | np.ndarray = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Stack features of different lengths.

    Returns
    -------
    np.ndarray [shape=(batch, rows, frames), float32]
    np.ndarray [shape=(batch,), int64]
        The frames of each row that are not padding.
    """
    lengths = np.array([item.shape[1] for item in features])
    stacked = np.empty((len(features), features[0].shape[0], lengths.max()), dtype=np.float32)
    stacked[:] = np.reshape(fill, (-1, 1))
    for row, item in zip(stacked, features, strict=True):
        row[:, : item.shape[1]] = item
    return stacked, lengths


# --- variants ---


@dataclass(frozen=True)
class Variant:
    """One augmented version of every clip.

    Parameters
    ----------
    chain : Compose
        Transforms of the waveform.
    speed : float
        Playback speed before them.
    seed : int
    number : int
        Which of the variants it is; another number draws anew.
    """

    chain: Compose
    speed: float
    seed: int
    number: int

    def apply(self, samples: np.ndarray, clip: Clip, rate: int) -> np.ndarray:
        """Make this variant of a clip's samples ``[samples]``.

        What is drawn follows from the seed, the number and the clip's name, wherever its file
        lies and whichever clips came before it.
        """
        name = hashlib.sha256(f"{clip.corpus}/{clip.name}".encode()).digest()
        words = np.frombuffer(name[:16], dtype="<u4").tolist()
        rng = np.random.default_rng([self.seed, self.number, *words])
        return self.chain(play(samples, self.speed, rate), rate, rng)


def play(samples: np.ndarray, speed: float, rate: int) -> np.ndarray:
    """Samples played faster by ``speed``: pitch and tempo move together."""
    return samples if speed == 1 else resample(samples, round(rate * speed), rate)


def variants_of(recipe: Recipe, seed: int) -> tuple[Variant, ...]:
    """The variants that a recipe asks for; none where it has no waveform augmentation.

    They take turns with the recipe's speeds, so that as many variants as speeds have each once.
    """
    augment = recipe.augment
    if not augment.enabled:
        return ()
    speeds = recipe.training.speeds
    return tuple(
        Variant(augment.waveform_chain, speeds[number % len(speeds)], seed, number)
        for number in range(augment.variants)
    )
