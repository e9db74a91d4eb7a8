from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_network import tiny_network

from affekt.errors import ConfigError
from affekt.models.encoders.cnn import Cnn, CnnOptions

N_MELS = 12
OPTIONS = [
    CnnOptions(stem=(4, 8), channels=8, dilations=(1,)),
    CnnOptions(stem=(4, 8), channels=8, dilations=(1, 2, 3)),
    CnnOptions(stem=(4,), channels=6, dilations=(4,)),
    CnnOptions(stem=(2, 3, 4), channels=4, dilations=()),
]
SQUEEZED = CnnOptions(stem=(4, 8), channels=8, dilations=(1, 2), squeeze=3)


@pytest.fixture(params=OPTIONS, ids=lambda options: f"{len(options.stem)}-{options.dilations}")
def encoder(request: pytest.FixtureRequest) -> Cnn:
    return make(request.param)


def make(options: CnnOptions) -> Cnn:
    torch.manual_seed(0)
    made = Cnn(N_MELS, options).double().eval()
    for name, value in made.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
    return made


@torch.inference_mode()
def test_the_receptive_field_is_what_it_says(encoder: Cnn) -> None:
    field = encoder.receptive_field
    assert field is not None
    frames = 2 * field + 20
    log_mel = torch.randn(1, N_MELS, frames, dtype=torch.float64)
    # Row i has frame i disturbed, so one run tells which inputs each output depends on.
    disturbed = log_mel.repeat(frames, 1, 1)
    disturbed[range(frames), :, range(frames)] += 10 * torch.randn(
        frames, N_MELS, dtype=torch.float64
    )
    changed = (encoder(disturbed) - encoder(log_mel)).abs().amax(dim=1) > 1e-12
    middle = changed.shape[1] // 2
    seen = changed[:, middle].nonzero().flatten().tolist()
    assert seen[-1] - seen[0] + 1 == field
    assert seen[0] + field // 2 == middle * encoder.time_stride  # as far back as ahead


@torch.inference_mode()
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 17, 100])
def test_the_number_of_output_frames(encoder: Cnn, frames: int) -> None:
    found = encoder(torch.zeros(2, N_MELS, frames, dtype=torch.float64))
    assert found.shape == (2, encoder.output_channels, -(-frames // encoder.time_stride))


@torch.inference_mode()
@pytest.mark.parametrize("options", [*OPTIONS, SQUEEZED])
def test_padding_changes_no_frame(options: CnnOptions) -> None:
    encoder = make(options)
    lengths = [41, 40, 39, 38, 12, 3, 1]
    clips = [torch.randn(N_MELS, length, dtype=torch.float64) for length in lengths]
    padded = torch.full((len(clips), N_MELS, 50), 1e3, dtype=torch.float64)
    mask = torch.zeros(len(clips), 1, 50, dtype=torch.float64)
    for row, clip in enumerate(clips):
        padded[row, :, : clip.shape[1]] = clip
        mask[row, :, : clip.shape[1]] = 1
    together = encoder(padded, mask)
    for row, clip in enumerate(clips):
        alone = encoder(clip[None])[0]
        torch.testing.assert_close(together[row, :, : alone.shape[1]], alone, rtol=0, atol=1e-10)
        assert (together[row, :, alone.shape[1] :] == 0).all()


@torch.inference_mode()
def test_with_squeeze_and_excitation_a_frame_sees_the_whole_recording() -> None:
    encoder = make(SQUEEZED)
    assert encoder.receptive_field is None
    assert not encoder.streamable
    log_mel = torch.randn(1, N_MELS, 400, dtype=torch.float64)
    changed = log_mel.clone()
    changed[..., -1] += 3
    assert (encoder(changed) - encoder(log_mel)).abs()[..., 0].max() > 1e-6


def test_dropout_works_while_training_only() -> None:
    encoder = Cnn(N_MELS, OPTIONS[0]).eval()
    log_mel = torch.randn(4, N_MELS, 30)
    assert (encoder(log_mel) == encoder(log_mel)).all()
    encoder.train()
    assert (encoder(log_mel) != encoder(log_mel)).any()


def test_the_size_follows_from_the_options() -> None:
    """Counted by hand for stem (4, 8), 8 channels, one block, 64 bands."""
    stem = (1 * 4 * 9 + 2 * 4) + (4 * 8 * 9 + 2 * 8)
    project = 8 * 16 * 8 + 2 * 8  # 64 bands halved twice
    block = 2 * (8 * 8 * 3 + 2 * 8)
    network = tiny_network(options={"stem": (4, 8), "channels": 8, "dilations": (1,)})
    assert sum(p.numel() for p in network.encoder.parameters()) == stem + project + block


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stem": ()}, "cnn: channels must be positive"),
        ({"stem": (0,)}, "cnn: channels must be positive"),
        ({"channels": 0}, "cnn: channels must be positive"),
        ({"dilations": (1, 0)}, r"cnn: dilations must be positive, got \(1, 0\)"),
        ({"squeeze": -1}, "cnn: squeeze must be 0 or more channels, got -1"),
        ({"dropout": 1.0}, r"cnn: dropout must be in \[0, 1\), got 1\.0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CnnOptions(**options)
