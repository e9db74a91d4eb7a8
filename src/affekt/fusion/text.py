"""Emotions of English text: a linear model of word and character n-grams.

Every n-gram of a text that the model knows adds a number to the logit of each emotion. The n-grams
are weighted by TF-IDF (sublinear in their count, each kind of unit length) and found by their
CRC-32. The model is trained by ``benchmarks/text_model.py`` on GoEmotions (Demszky et al.,
"GoEmotions: a dataset of fine-grained emotions", 2020) in the six emotions of Ekman and neutral.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError, ModelError
from affekt.evaluation.calibration import softmax
from affekt.turns.speakers import read_text
from affekt.turns.transcript import SUFFIXES, read_transcript

Doubles = npt.NDArray[np.float64]

ASSET = Path(__file__).parents[1] / "assets" / "text.npz"
KINDS = ("words", "signs")
"""Of n-grams: one and two words, and three to five characters within a word."""

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[^\w\s]")
_SHORTEST, _LONGEST = 3, 5  # characters
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_MOST_CHARACTERS = 1_000_000
_LEVELS = 127.0  # of a weight in eight bits


def tokens(text: str) -> list[str]:
    """Return the words and signs of a text, in lower case."""
    return _TOKEN.findall(text.lower().replace("’", "'"))


def ngrams(text: str) -> dict[str, dict[int, int]]:
    """Return, by kind, how often each n-gram occurs, by the CRC-32 of it."""
    found = tokens(text)
    counts: dict[str, dict[int, int]] = {}
    for kind, grams in zip(KINDS, (_words(found), _signs(found)), strict=True):
        own = counts.setdefault(kind, {})
        for gram in grams:
            key = zlib.crc32(gram.encode())
            own[key] = own.get(key, 0) + 1
    return counts


def _words(found: Sequence[str]) -> Iterator[str]:
    yield from found
    for pair in pairwise(found):
        yield " ".join(pair)


def _signs(found: Sequence[str]) -> Iterator[str]:
    for word in found:
        padded = f" {word} "
        for size in range(_SHORTEST, _LONGEST + 1):
            for start in range(len(padded) - size + 1):
                yield padded[start : start + size]


@dataclass(frozen=True, eq=False)
class Grams:
    """The n-grams of one kind.

    Attributes
    ----------
    keys : np.ndarray [shape=(n,), uint32]
        Ascending.
    rarity : np.ndarray [shape=(n,)]
        Inverse document frequency.
    weights : np.ndarray [shape=(n, emotions), int8]
        In steps of ``step``.
    step : np.ndarray [shape=(emotions,)]
    """

    keys: npt.NDArray[np.uint32]
    rarity: npt.NDArray[np.float32]
    weights: npt.NDArray[np.int8]
    step: npt.NDArray[np.float32]

    @classmethod
    def of(cls, keys: npt.ArrayLike, rarity: npt.ArrayLike, weights: npt.ArrayLike) -> Grams:
        """Sort n-grams, and round their weights ``[n, emotions]``."""
        order = np.argsort(keys)
        values = np.asarray(weights, dtype=np.float64)[order]
        step = np.maximum(np.abs(values).max(axis=0), 1e-9) / _LEVELS
        return cls(
            np.asarray(keys, dtype=np.uint32)[order],
            np.asarray(rarity, dtype=np.float32)[order],
            np.round(values / step).astype(np.int8),
            step.astype(np.float32),
        )

    def logits(self, counts: Mapping[int, int]) -> Doubles:
        """What these n-grams add ``[emotions]``."""
        asked = np.fromiter(counts, dtype=np.uint32, count=len(counts))
        times = np.fromiter(counts.values(), dtype=np.float64, count=len(counts))
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        known = self.keys[places] == asked
        places = places[known]
        values = (1 + np.log(times[known])) * self.rarity[places]
        length = np.sqrt((values**2).sum())
        if not length:
            return np.zeros(len(self.step))
        return np.asarray(values @ self.weights[places] * self.step / length)


@dataclass(frozen=True, eq=False)
class TextModel:
    """A model of English text.

    Attributes
    ----------
    labels : tuple of str
    grams : mapping of str to Grams
        By kind.
    bias : np.ndarray [shape=(emotions,)]
    scale, offset : np.ndarray [shape=(emotions,)]
        Calibration: probabilities are the softmax of ``scale * logits + offset``.
    thresholds : np.ndarray [shape=(emotions,)]
        Of the logits, above which an emotion is named where a text may have several.
    words : np.ndarray [shape=(n,), uint32]
        Words that are frequent enough to tell the language.
    least_known : float
        Share of the words that must be among them.
    facts : mapping
        Name, licence and data.
    """

    labels: tuple[str, ...]
    grams: Mapping[str, Grams]
    bias: Doubles
    scale: Doubles
    offset: Doubles
    thresholds: Doubles
    words: npt.NDArray[np.uint32]
    least_known: float
    facts: Mapping[str, Any]

    def logits(self, text: str) -> Doubles:
        """Logits ``[emotions]`` of one sentence, each emotion by itself."""
        counts = ngrams(text)
        return self.bias + sum(self.grams[kind].logits(counts[kind]) for kind in KINDS)

    def known_share(self, text: str) -> float:
        """Return the share of the words that are common in English; 0 without words."""
        keys = [zlib.crc32(word.encode()) for word in tokens(text) if word[0].isalpha()]
        return float(np.isin(keys, self.words).mean()) if keys else 0.0

    def predict(self, text: str | Iterable[str]) -> dict[str, float]:
        """Return the probability of each emotion: the mean over sentences, by their words.

        Parameters
        ----------
        text : str or iterable of str
            Text, or its sentences.

        Raises
        ------
        DataError
            If it holds no words, or is of another language than English.
        """
        given = _SENTENCE_END.split(text) if isinstance(text, str) else list(text)
        sizes = [sum(token[0].isalpha() for token in tokens(one)) for one in given]
        sentences = [(one, size) for one, size in zip(given, sizes, strict=True) if size]
        if not sentences:
            raise DataError("the text is empty: it holds no words")
        whole = " ".join(one for one, _ in sentences)
        share = self.known_share(whole)
        if share < self.least_known:
            raise DataError(
                f"the text seems to be of another language: {share:.0%} of its words are common in "
                "English, the one that the text model knows; give scores of another tool as JSON"
            )
        rows = softmax([self.scale * self.logits(one) + self.offset for one, _ in sentences])
        mean = np.average(rows, axis=0, weights=[size for _, size in sentences])
        return dict(zip(self.labels, map(float, mean), strict=True))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as arrays of numpy, without pickles."""
        arrays = {
            f"{kind}_{name}": getattr(one, name)
            for kind, one in self.grams.items()
            for name in ("keys", "rarity", "weights", "step")
        }
        arrays = {name: _smaller(array) for name, array in arrays.items()}
        for name in ("bias", "scale", "offset", "thresholds"):
            arrays[name] = np.asarray(getattr(self, name), dtype=np.float32)
        facts = {**self.facts, "labels": list(self.labels), "least_known": self.least_known}
        np.savez_compressed(path, words=self.words, facts=np.array(json.dumps(facts)), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str] = ASSET) -> TextModel:
        """Read what `save` wrote; the model that ships by default.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                facts = json.loads(str(file["facts"]))
                grams = {
                    kind: Grams(
                        file[f"{kind}_keys"],
                        file[f"{kind}_rarity"].astype(np.float32),
                        file[f"{kind}_weights"],
                        file[f"{kind}_step"],
                    )
                    for kind in KINDS
                }
                rest = {
                    name: file[name].astype(np.float64)
                    for name in ("bias", "scale", "offset", "thresholds")
                }
                return cls(
                    labels=tuple(facts.pop("labels")),
                    grams=grams,
                    words=file["words"],
                    least_known=float(facts.pop("least_known")),
                    facts=facts,
                    **rest,
                )
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: the text model cannot be read: {error}") from None


def _smaller(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float16) if array.dtype == np.float32 and array.ndim == 1 else array


@lru_cache(maxsize=1)
def text_model() -> TextModel:
    """Return the model that ships, read once."""
    return TextModel.load()


def read_words(path: str | os.PathLike[str]) -> list[str]:
    """Return the sentences of a text, or of a transcript.

    Parameters
    ----------
    path : str or path-like
        ``.srt``, ``.vtt``, ``.json`` of whisper and its like, else plain text in UTF-8.

    Raises
    ------
    DataError
        If it cannot be read, or is too long.
    """
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        sentences = read_transcript(path).sentences()
    else:
        sentences = _SENTENCE_END.split(read_text(path))
    length = sum(map(len, sentences))
    if length > _MOST_CHARACTERS:
        raise DataError(f"{path}: {length} characters are more than {_MOST_CHARACTERS:,}")
    return sentences
