"""Statistics of a frozen encoder: what they are, and what does not change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import LABELS, RATE, TINY_ENCODERS, WAVEFORM, voice

from affekt.errors import ConfigError
from affekt.export import check_parity, export_onnx
from affekt.models import Network, NetworkConfig, build_network
from affekt.models.frontend import FrontendConfig

transformers = pytest.importorskip("transformers")


def network(frontend: FrontendConfig = WAVEFORM, **options: Any) -> Network:
    torch.manual_seed(1)
    chosen = {"encoder": TINY_ENCODERS["whisper"], "layers": (1, 2), **options}
    made = build_network(NetworkConfig(LABELS, "statistics", chosen, frontend))
    with torch.no_grad():  # new weights are so small that layers would hardly differ
        for weight in made.encoder.backbone.layers.parameters():
            weight.mul_(5)
    return made.eval()


@torch.inference_mode()
def embedding(made: Network, samples: np.ndarray) -> np.ndarray:
    return made(torch.from_numpy(samples.astype(np.float32))[None])["embedding"][0].numpy()


def spoken(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    """A voice without noise between two silences of 0.5 s."""
    silence = np.zeros(RATE // 2)
    return np.concatenate([silence, voice(seconds, seed), silence])


@torch.inference_mode()
def test_they_are_the_moments_of_the_hidden_states_over_the_speech() -> None:
    made = network(margin=0)
    found = embedding(made, spoken())
    speech = torch.from_numpy(voice(1.0))[None]
    levelled = (speech - speech.mean()) / speech.std(correction=0)
    # The silent frame before it, as in the cut recording.
    frames = torch.nn.functional.pad(levelled, (320, 0))
    valid = torch.ones(1, 51, dtype=torch.bool)
    valid[0, 0] = False
    states = made.encoder.backbone(frames, valid)
    kept = torch.cat([states[1], states[2]], dim=2)[0, 1:]
    wanted = torch.cat([kept.mean(0), kept.std(0, correction=0)])
    assert found.shape == (64,)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert np.ptp(found) > 0.1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda x: 0.01 * x, id="a hundredth of the level"),
        pytest.param(lambda x: x + 0.2, id="a constant offset"),
        pytest.param(lambda x: np.concatenate([np.zeros(16000), x]), id="a second before"),
        pytest.param(lambda x: np.concatenate([x, np.zeros(16000)]), id="a second after"),
        pytest.param(lambda x: np.concatenate([np.zeros(320 * 7), x]), id="seven frames before"),
    ],
)
def test_level_offset_and_silence_at_the_ends_change_nothing(change: Any) -> None:
    made, sound = network(), spoken()
    np.testing.assert_allclose(
        embedding(made, change(sound)), embedding(made, sound), rtol=0, atol=2e-5
    )


def test_a_noise_floor_at_the_ends_changes_little_where_it_is_known() -> None:
    speech = voice(1.0)
    noise = np.random.default_rng(0).normal(0, 0.05 * np.std(speech), 3 * RATE)  # 26 dB below
    short = np.concatenate([noise[:8000], speech, noise[8000:16000]])
    long = np.concatenate([noise[16000:], short, noise[:24000]])
    moved = {
        floor_db: np.abs(np.subtract(*(embedding(made, x) for x in (short, long)))).mean()
        for floor_db, made in ((0.0, network()), (6.0, network(floor_db=6.0)))
    }
    assert moved[6.0] < moved[0.0] / 5


def test_a_floor_near_the_speech_cuts_nothing_away() -> None:
    loud = np.random.default_rng(0).normal(0, 1, RATE)
    with_floor, without = (embedding(network(floor_db=x), loud) for x in (6.0, 0.0))
    np.testing.assert_allclose(with_floor, without, rtol=0, atol=1e-6)


def test_a_pause_inside_counts() -> None:
    made, sound = network(), voice(1.0)
    paused = np.concatenate([sound[:8000], np.zeros(8000), sound[8000:]])
    assert np.abs(embedding(made, paused) - embedding(made, sound)).max() > 1e-2


@torch.inference_mode()
def test_neighbours_in_a_batch_change_nothing() -> None:
    made = network()
    first, second = spoken(1.0, 0), np.concatenate([np.zeros(8000), spoken(0.5, 1)])
    both = made(torch.from_numpy(np.stack([first, second]).astype(np.float32)))["embedding"]
    for row, sound in zip(both, (first, second), strict=True):
        np.testing.assert_allclose(row, embedding(made, sound), atol=2e-5)


def test_silence_gives_finite_numbers() -> None:
    assert np.isfinite(embedding(network(), np.zeros(16000))).all()


def test_the_graph_equals_torch_at_all_lengths_and_batch_sizes(tmp_path: Path) -> None:
    made = network()
    export_onnx(made, tmp_path / "model.onnx", {})
    assert check_parity(made, tmp_path / "model.onnx").max_difference < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ()}, "layers must name one or more different layers"),
        ({"layers": (0,)}, "layers must name one or more different layers"),
        ({"layers": (1, 1)}, "layers must name one or more different layers"),
        ({"layers": (3,)}, "layers = 3, but model.options.encoder has 2 of them"),
        ({"range_db": 0.0}, "range_db must be positive, got 0"),
        ({"floor_db": -1.0}, "floor_db must be 0 or more, got -1"),
        ({"least_range_db": 40.0}, "least_range_db must be above 0 and at most range_db, got 40"),
        ({"margin": -1}, "margin must be 0 or more, got -1"),
        ({"dimensions": 0}, "dimensions must be 1 or more, got 0"),
        ({"encoder": {}}, "name a checkpoint"),
        ({"encoder": TINY_ENCODERS["wavlm"]}, "of the family 'wavlm': expected whisper"),
        ({"encoder": {}, "checkpoint": "./nowhere"}, "no checkpoint at ./nowhere"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        network(**options)
