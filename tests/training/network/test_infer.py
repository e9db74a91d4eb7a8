from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_corpus import write_sound
from tiny_network import LABELS, tiny_network, voice

torch = pytest.importorskip("torch")

from affekt.audio import load_audio  # noqa: E402
from affekt.data import Clip, load_corpus  # noqa: E402
from affekt.evaluation.calibration import apply_temperature  # noqa: E402
from affekt.export import export_onnx  # noqa: E402
from affekt.training import FeatureStore  # noqa: E402
from affekt.training.network.infer import embed_clips, score_clips  # noqa: E402


def clips_of_all_lengths(folder: Path) -> list[Clip]:
    lengths = (0.9, 0.11, 2.0, 0.4, 0.4, 1.3, 0.15)
    return [
        Clip(write_sound(folder / f"{number}.wav", voice(seconds, seed=number)), "sad")
        for number, seconds in enumerate(lengths)
    ]


def test_scoring_together_is_scoring_one_by_one(tmp_path: Path) -> None:
    network = tiny_network()
    store = FeatureStore(network.config.frontend)
    clips = clips_of_all_lengths(tmp_path)
    for score in (score_clips, embed_clips):
        together = score(network, clips, store)
        alone = np.concatenate([score(network, [clip], store) for clip in clips])
        assert np.allclose(together, alone, atol=1e-5)
        assert together.std(axis=0).max() > 0.05  # the clips do get different answers


def test_the_order_of_the_clips_is_kept(tmp_path: Path) -> None:
    network = tiny_network()
    store = FeatureStore(network.config.frontend)
    clips = clips_of_all_lengths(tmp_path)
    forth, back = (score_clips(network, part, store) for part in (clips, clips[::-1]))
    assert np.allclose(forth, back[::-1], atol=1e-5)
    assert forth.shape == (len(clips), len(LABELS))
    assert embed_clips(network, clips, store).shape == (len(clips), network.embedding_size)


def test_a_training_network_is_scored_without_dropout_and_left_unchanged(tmp_path: Path) -> None:
    network = tiny_network(head_dropout=0.5)
    store = FeatureStore(network.config.frontend)
    clips = clips_of_all_lengths(tmp_path)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    once, again = (score_clips(network.train(), clips, store) for _ in range(2))
    assert np.array_equal(once, again)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A network and a session that runs its exported file."""
    import onnxruntime

    network = tiny_network()
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_onnx(network, path, {})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return network, onnxruntime.InferenceSession(path, options)


def assert_agreement(exported: tuple[Any, Any], clips: list[Clip]) -> None:
    """The figures that training reports must be those of the file that users run."""
    network, session = exported
    logits = score_clips(network, clips, FeatureStore(network.config.frontend))
    scored = apply_temperature(logits, float(network.temperature))
    answers = [
        session.run(["probabilities"], {"waveform": load_audio(clip.file)[None]})[0][0]
        for clip in clips
    ]
    assert np.allclose(scored, answers, atol=3e-3)  # features are kept as float16
    assert np.std(scored, axis=0).max() > 0.02


def test_it_agrees_with_the_exported_file(exported: tuple[Any, Any], tmp_path: Path) -> None:
    assert_agreement(exported, clips_of_all_lengths(tmp_path))


def test_it_agrees_with_the_exported_file_on_real_speech(
    exported: tuple[Any, Any], data_root: Path
) -> None:
    ravdess, emodb = (load_corpus(name, data_root)[3::300] for name in ("ravdess", "emodb"))
    assert_agreement(exported, [*ravdess, *emodb])
