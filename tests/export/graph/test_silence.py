from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import FRONTEND, tiny_network, voice

from affekt.export import export_onnx
from affekt.runtime.session import open_session


@pytest.mark.parametrize("normalisation", ["level", "local"])
def test_digital_silence_is_heard_as_the_network_hears_it(
    tmp_path: Path, normalisation: str
) -> None:
    frontend = replace(FRONTEND, normalisation=normalisation, level_past=0.4, level_future=0.2)
    network = tiny_network(frontend=frontend)
    export_onnx(network, tmp_path / "model.onnx", {})
    silence = np.zeros(16_000, dtype=np.float32)
    waveform = np.concatenate([silence, voice(0.5), silence])[None]
    session = open_session(tmp_path / "model.onnx", 1)
    (found,) = session.run(["probabilities"], {"waveform": waveform})
    with torch.inference_mode():
        expected = network(torch.from_numpy(waveform))["probabilities"].numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=1e-4)
