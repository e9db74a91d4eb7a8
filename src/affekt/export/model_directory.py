"""The model directory: ``config.json``, ``model.onnx``, ``model.safetensors``, ``README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from affekt import __version__
from affekt.config import build, to_dict
from affekt.data import CORPORA, Clip
from affekt.errors import ModelError
from affekt.export.graph.onnx import Parity, check_parity, export_onnx
from affekt.export.graph.streaming import export_streaming, streaming_facts
from affekt.files import atomic_path, json_text
from affekt.models import ARCHITECTURES, Network, NetworkConfig, build_network, checkpoint, describe
from affekt.models.frontend import FrontendConfig
from affekt.runtime.bundle import CARD_FILE, CONFIG_FILE, GRAPH_FILE, WEIGHTS_FILE
from affekt.runtime.card import model_card
from affekt.runtime.config import FORMAT_VERSION
from affekt.runtime.head import KEY as HEAD_KEY
from affekt.runtime.head import Head

MINIMUM_DURATION = 0.1  # seconds; shorter than a syllable
OWN_RECORDINGS = "own recordings"

INTENDED_USE = (
    "For research, media, games, accessibility and self-observation with the knowledge of the "
    "people heard. It reports how acted emotions sound, not what a person feels. Not for "
    "inferring emotions at work or in education, which the EU AI Act prohibits (Art. 5(1)(f)), "
    "and not for decisions about people: hiring, credit, insurance, policing, migration, health."
)

FREE = "CC-BY-4.0"
"""Licence of weights whose training data ask for a name alone."""
PERMISSIVE = ("openai/whisper-",)
"""How checkpoints are called whose licence, MIT or Apache-2.0, asks for a notice alone."""


@dataclass(frozen=True)
class ModelMetadata:
    """Metadata of a model directory.

    Attributes
    ----------
    name : str
    clips : mapping of str to sequence of Clip
        By ``"train"``, ``"validation"`` and ``"test"``.
    metrics : sequence of mapping
        Figures with their ``protocol`` and the scores of :mod:`affekt.evaluation`.
    seed : int
    threshold, window_threshold : float or None
        Confidence below which an answer about a clip, or a window, is better withheld; None where
        it was not measured.
    least_probability : float or None
        Of the emotions in a prediction set; None where it was not measured.
    teachers : sequence of mapping
        ``name``, ``licence`` and ``speakers`` of the models that the weights have learned from.
    replaced : mapping
        Keys of ``config.json`` that are known better than they follow from the rest.
    """

    name: str
    clips: Mapping[str, Sequence[Clip]]
    metrics: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    seed: int = 0
    threshold: float | None = None
    window_threshold: float | None = None
    least_probability: float | None = None
    teachers: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    replaced: Mapping[str, Any] = field(default_factory=dict)


def write_model_directory(network: Network, folder: Path, metadata: ModelMetadata) -> Parity:
    """Write a model directory and prove that its ONNX file answers as the network does.

    Parameters
    ----------
    network : Network
        Trained and calibrated.
    folder : Path
        Made if missing; its files are replaced one by one, each whole.
    metadata : ModelMetadata

    Raises
    ------
    ModelError
        If the exported file differs from the network; then nothing is replaced.
    """
    config = model_config(network, metadata)
    graph = folder / GRAPH_FILE
    with atomic_path(graph) as partial:
        export_onnx(network, partial, config)
        parity = check_parity(network, partial)
    if network.streamable:
        export_streaming(network, folder, config)
    checkpoint.save(folder / WEIGHTS_FILE, dict(network.state_dict()), config)
    texts = {
        folder / CONFIG_FILE: json_text(config),
        folder / CARD_FILE: model_card(config, graph.stat().st_size),
    }
    for path, text in texts.items():
        with atomic_path(path) as partial:
            partial.write_text(text, encoding="utf-8")
    return parity


def read_network(folder: Path) -> tuple[Network, dict[str, Any]]:
    """Make the network of a model directory again, with its configuration.

    What follows from the network itself is that of this version: whether and how it streams.

    Raises
    ------
    ModelError
        If the weights are missing or damaged.
    """
    if not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(f"{folder} has no {WEIGHTS_FILE}: it cannot be exported or trained again")
    state, config = checkpoint.load(folder / WEIGHTS_FILE)
    options = dict(config["architecture"])
    network = build_network(
        NetworkConfig(
            labels=tuple(config["id2label"][str(i)] for i in range(len(config["id2label"]))),
            architecture=options.pop("name"),
            options=options,
            frontend=build(FrontendConfig, config["frontend"], "frontend"),
            pooling=config.get("pooling", "statistics"),  # older models do not say
            heads=_heads(config),
        ),
        state,
    )
    head = {HEAD_KEY: linear_head(network).to_config()}
    return network.eval(), {**config, **_streaming(network), **head}


def _heads(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the heads beside that of the emotions; older models say only ``intensity``."""
    return tuple(config.get("heads", ["intensity"] if config.get("intensity") else []))


def model_config(network: Network, metadata: ModelMetadata) -> dict[str, Any]:
    """Return the contents of ``config.json``."""
    description = describe(network)
    seconds = description.receptive_field
    return {
        "format_version": FORMAT_VERSION,
        "affekt_version": __version__,
        "model_type": "affekt",
        "name": metadata.name,
        "architecture": {"name": description.architecture, **_options(network.config)},
        "id2label": {str(index): label for index, label in enumerate(network.config.labels)},
        "sample_rate": network.config.frontend.sample_rate,
        "frontend": to_dict(network.config.frontend),
        "pooling": network.config.pooling,
        "heads": list(network.config.heads),
        "calibration": {
            "method": "temperature",
            "temperature": round(float(network.temperature), 6),
            **{
                name: round(value, 4)
                for name in ("threshold", "window_threshold", "least_probability")
                if (value := getattr(metadata, name)) is not None
            },
        },
        "parameters": description.parameters,
        "receptive_field": None if seconds is None else round(seconds, 4),
        **_streaming(network),
        "minimum_duration": MINIMUM_DURATION,
        "embedding_size": description.embedding_size,
        HEAD_KEY: linear_head(network).to_config(),
        "seed": metadata.seed,
        "training_data": [*_training_data(metadata.clips)],
        "teachers": [teacher["name"] for teacher in metadata.teachers],
        "speakers": _all_speakers(metadata),
        "licence": _licence(
            metadata.clips.get("train", ()),
            metadata.teachers,
            network.config.options.get("checkpoint", ""),
        ),
        "metrics": list(metadata.metrics),
        "intended_use": INTENDED_USE,
        **metadata.replaced,
    }


def linear_head(network: Network) -> Head:
    """Return the head of a network as one linear layer, with its calibration."""
    norm, *_, linear = network.head
    assert isinstance(norm, nn.BatchNorm1d)
    assert isinstance(linear, nn.Linear)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    weights = linear.weight * gain
    bias = linear.bias + linear.weight @ norm.bias - weights @ norm.running_mean
    return Head(
        weights=_array(weights / network.temperature),
        bias=_array(bias / network.temperature),
        mean=_array(norm.running_mean),
        exponent=float(getattr(network.encoder, "exponent", 0.0)),
    )


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy().astype(np.float32)


def _streaming(network: Network) -> dict[str, Any]:
    """Whether and how the network streams."""
    if not network.streamable:
        return {"streamable": False}
    return {"streamable": True, "streaming": streaming_facts(network)}


def _options(config: NetworkConfig) -> dict[str, Any]:
    """All options of the architecture, so that no later default changes what was built."""
    options = ARCHITECTURES[config.architecture].options
    return to_dict(build(options, config.options, f"model.{config.architecture}"))


def _training_data(clips: Mapping[str, Sequence[Clip]]) -> list[dict[str, Any]]:
    """Per corpus: its licence, and how much of it the weights have learned from."""
    train = clips.get("train", ())
    rows = []
    for name in sorted({clip.corpus for clip in train}):
        own = [clip for clip in train if clip.corpus == name]
        rows.append(
            {
                "corpus": name or OWN_RECORDINGS,
                "licence": CORPORA[name].licence if name in CORPORA else "",
                "clips": len(own),
                "speakers": len({clip.speaker for clip in own}),
            }
        )
    return rows


def _speakers(clips: Sequence[Clip]) -> list[str]:
    return sorted({clip.speaker_id for clip in clips if clip.speaker_id})


def _all_speakers(metadata: ModelMetadata) -> dict[str, list[str]]:
    """Speakers by side; those of a teacher count as training speakers."""
    speakers = {side: _speakers(clips) for side, clips in metadata.clips.items()}
    teacher_speakers = {name for teacher in metadata.teachers for name in teacher["speakers"]}
    if teacher_speakers:
        speakers["train"] = sorted(teacher_speakers.union(speakers.get("train", ())))
    return speakers


def _licence(
    train: Sequence[Clip], teachers: Sequence[Mapping[str, Any]] = (), checkpoint: str = ""
) -> str:
    """What the corpora, the teachers and what the encoder comes from allow with the weights."""
    if checkpoint and not checkpoint.startswith(PERMISSIVE):
        own = _licence(train, teachers) or "not stated"
        return f"that of {checkpoint}, which it was begun from; of the training data: {own}"
    for teacher in teachers:
        if teacher["licence"] != FREE:
            return str(teacher["licence"])
    names = sorted({clip.corpus for clip in train})
    if any(name in CORPORA and CORPORA[name].non_commercial for name in names):
        return "CC-BY-NC-SA-4.0 (non-commercial: trained with a corpus that forbids more)"
    if names and all(name in CORPORA for name in names):
        return FREE
    return ""
