"""Recordings that an export is calibrated and measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.audio import decode, load_audio
from affekt.data import CORPORA, Clip, load_corpus
from affekt.errors import AudioError, DataError
from affekt.evaluation import get_protocol
from affekt.export.graph.onnx import voice_like

Floats = npt.NDArray[np.float32]

PROTOCOL = "cremad-tfds"
"""Whose test speakers every export is measured on."""

CALIBRATION_CLIPS = 64
TEST_CLIPS = 400
SOUNDS = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".webm"})

_SHORTEST = 0.3  # seconds; a shorter recording tells little about the ranges in a graph
_SEED = 0


@dataclass(frozen=True)
class UnheardSpeech:
    """Labelled recordings of speakers that the model has not learned from.

    Attributes
    ----------
    waveforms : tuple of np.ndarray [shape=(samples,)]
    targets : np.ndarray of int [shape=(clips,)]
        Index of the label of each.
    speakers : int
        How many there are.
    """

    waveforms: tuple[Floats, ...]
    targets: np.ndarray
    speakers: int

    def stretches(self, seconds: float, count: int, sample_rate: int) -> np.ndarray:
        """Speech of exactly this length ``[count, samples]``: the clips one after another."""
        return _stretches(self.waveforms, round(seconds * sample_rate), count)


@dataclass(frozen=True)
class Calibration:
    """Recordings that the range of activations is measured on, at the model's rate.

    Attributes
    ----------
    waveforms : tuple of np.ndarray [shape=(samples,)]
    resampled : int
        How many of them had another rate.
    unusable : int
        How many more could not be read, or were silent or too short.
    """

    waveforms: tuple[Floats, ...] = ()
    resampled: int = 0
    unusable: int = 0

    def metadata(self) -> dict[str, int]:
        """In numbers, for ``parity.json``."""
        return {
            "recordings": len(self.waveforms),
            "resampled": self.resampled,
            "unusable": self.unusable,
        }


def calibration_recordings(
    config: Mapping[str, Any], source: Path | None = None, root: Path | None = None
) -> Calibration:
    """Find recordings to measure the range of activations on.

    Parameters
    ----------
    config : Mapping
        The model's ``config.json``.
    source : Path, optional
        A folder of recordings of any format; labels are not needed, and what has another rate
        is resampled. By default training clips of the corpora that the model has learned from.
    root : Path, optional
        Where the corpora lie.

    Raises
    ------
    DataError
        If the folder is missing or holds no recording, or none of the corpora is at hand.
    """
    files = _files_of(source) if source else _training_files(config, root)
    chosen = np.random.default_rng(_SEED).permutation(len(files))
    wanted = config["sample_rate"]
    found: list[Floats] = []
    resampled = unusable = 0
    for index in chosen:
        if len(found) == CALIBRATION_CLIPS:
            break
        try:
            samples, rate = decode(files[index])
        except AudioError:
            unusable += 1
            continue
        waveform = load_audio((samples, rate), sample_rate=wanted)
        if len(waveform) >= _SHORTEST * wanted and waveform.any():
            found.append(waveform)
            resampled += rate != wanted
        else:
            unusable += 1
    if not found:
        raise DataError(
            f"{source or 'the training corpus'}: none of {len(files)} recordings can be used to "
            f"calibrate: each is unreadable, silent or shorter than {_SHORTEST} s"
        )
    return Calibration(tuple(found), resampled, unusable)


def _files_of(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: --calibration takes a folder of recordings")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS)
    if not files:
        raise DataError(
            f"{folder} holds no recordings to calibrate on: "
            f"expected files ending in {', '.join(sorted(SOUNDS))}"
        )
    return files


def _training_files(config: Mapping[str, Any], root: Path | None) -> list[Path]:
    learned = set((config.get("speakers") or {}).get("train", ()))
    for row in config.get("training_data", ()):
        for clip_files in _corpus_files(row["corpus"], learned, root):
            return clip_files
    raise DataError(
        "int8 is calibrated on recordings, and no corpus that the model has learned from is at "
        "hand: give a folder of speech with --calibration, or name the corpora with --data"
    )


def _corpus_files(corpus: str, speakers: set[str], root: Path | None) -> Iterator[list[Path]]:
    if corpus not in CORPORA:
        return
    try:
        clips = load_corpus(corpus, root)
    except DataError:
        return
    if files := [clip.file for clip in clips if clip.speaker_id in speakers]:
        yield files


def unheard_speech(
    config: Mapping[str, Any], root: Path | None = None, count: int = TEST_CLIPS
) -> UnheardSpeech | None:
    """The clips that every export is measured on: the same for all, evenly from each emotion.

    Parameters
    ----------
    config : Mapping
        The model's ``config.json``.
    root : Path, optional
        Where the corpora lie.
    count : int
        At most so many clips.

    Returns
    -------
    UnheardSpeech or None
        None if the corpus is not at hand, if the model shares fewer than two emotions with it, or
        has learned from one of the speakers.
    """
    protocol = get_protocol(PROTOCOL)
    labels = list(config["id2label"].values())
    learned = set((config.get("speakers") or {}).get("train", ()))
    try:
        clips = [clip for name in protocol.corpora for clip in load_corpus(name, root)]
    except DataError:
        return None
    unheard = [clip for clip in protocol.folds(clips)[0].test if clip.emotion in labels]
    if len({clip.emotion for clip in unheard}) < 2:
        return None
    if learned & {clip.speaker_id for clip in unheard}:
        return None
    chosen = _evenly(unheard, count)
    return UnheardSpeech(
        tuple(load_audio(clip.file, sample_rate=config["sample_rate"]) for clip in chosen),
        np.array([labels.index(clip.emotion) for clip in chosen]),
        len({clip.speaker_id for clip in chosen}),
    )


def speech_like(
    speech: UnheardSpeech | None, seconds: float, count: int, sample_rate: int
) -> np.ndarray:
    """Stretches of unheard speech, or of made-up voices without any: ``[count, samples]``."""
    if speech:
        return speech.stretches(seconds, count, sample_rate)
    shape = (count, round(seconds * sample_rate))
    return voice_like(shape, sample_rate, np.random.default_rng(_SEED))


def _evenly(clips: Sequence[Clip], count: int) -> list[Clip]:
    """So many clips, in turn from each emotion, in an order that is drawn once and for all."""
    drawn = np.random.default_rng(_SEED).permutation(len(clips))
    emotions: dict[str, list[Clip]] = {}
    for index in drawn:
        emotions.setdefault(clips[index].emotion, []).append(clips[index])
    longest = max(map(len, emotions.values()))
    turns = (
        emotions[name][turn]
        for turn in range(longest)
        for name in sorted(emotions)
        if turn < len(emotions[name])
    )
    return list(islice(turns, count))


def _stretches(waveforms: Sequence[Floats], samples: int, count: int) -> np.ndarray:
    endless = chain.from_iterable(cycle(waveforms))
    flat = np.fromiter(islice(endless, samples * count), dtype=np.float32, count=samples * count)
    return flat.reshape(count, samples)
