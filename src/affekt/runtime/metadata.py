"""The metadata of a model in words: emotions, training data, scores and use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from affekt.labels import CIRCUMPLEX
from affekt.results import DERIVED, DIMENSIONS
from affekt.runtime.config import ModelConfig

INTENDED_USE = (
    "Research, art, accessibility, searching sound archives, studying one's own voice. The "
    "answer is an estimate of how speech sounds, learnt mostly from actors; it is not knowledge "
    "of what a person feels."
)

UNINTENDED_USE = (
    "Inferring emotions of people at work or in education, which the EU AI Act, Article 5(1)(f), "
    "prohibits; decisions about a person, lie detection, diagnosis; listening to people who have "
    "not agreed."
)

MEASURES = {"uar": "UAR", "wa": "accuracy", "macro_f1": "macro F1", "ece": "ECE"}
"""Measures shown, by their key in a model's metrics; fractions there, percent in words."""


def describe_model(config: ModelConfig) -> Iterator[tuple[str, str]]:
    """Yield the facts of a model as pairs of a name and a sentence; names may repeat."""
    yield "name", config.name
    yield "emotions", ", ".join(config.labels)
    if words := describe_dimensions(config.labels, config.raw.get("heads", ())):
        yield ", ".join(DIMENSIONS), words
    if config.parameters is not None:
        yield "parameters", f"{config.parameters:,}"
    if config.receptive_field is not None:
        yield "receptive field", f"{config.receptive_field:g} s"
    yield "shortest clip", f"{config.minimum_duration:g} s"
    for corpus in config.training_data:
        yield "trained on", _describe_corpus(corpus)
    for metric in config.metrics:
        yield "measured", describe_metric(metric)
    yield "licence", config.licence or "not stated"
    yield "intended use", config.intended_use or INTENDED_USE
    yield "not for", UNINTENDED_USE


def describe_dimensions(labels: Collection[str], heads: Collection[str]) -> str:
    """Return in words where valence, arousal and dominance come from; empty where not given."""
    if trained := [name for name in DIMENSIONS if name in heads]:
        return f"{', '.join(trained)}: trained on ratings"
    if set(labels) <= CIRCUMPLEX.keys():
        return f"{DERIVED} from the probabilities by published norms, not trained"
    return ""


def _describe_corpus(corpus: Mapping[str, Any]) -> str:
    """Return one entry of ``training_data`` in words: ``cremad, 7442 clips of 91 speakers``."""
    text = str(corpus.get("corpus", "unnamed corpus"))
    if (clips := corpus.get("clips")) is not None:
        text += f", {clips} clips"
    if (speakers := corpus.get("speakers")) is not None:
        text += f" of {speakers} speakers"
    return f"{text} ({licence})" if (licence := corpus.get("licence")) else text


def describe_metric(metric: Mapping[str, Any]) -> str:
    """Return one entry of ``metrics`` in words: ``cremad-tfds: UAR 62.1%, accuracy 61.8%``."""
    name = metric.get("protocol") or metric.get("corpus") or "protocol not stated"
    figures = [
        f"{title} {value:.1%}"
        for key, title in MEASURES.items()
        if isinstance(value := metric.get(key), (int, float))
    ]
    return f"{name}: {', '.join(figures) or 'no figures'}"
