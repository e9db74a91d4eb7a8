from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pathlib import Path  # noqa: E402

from affekt.errors import ConfigError  # noqa: E402
from affekt.export.graph.onnx import check_parity, export_onnx  # noqa: E402
from affekt.models import Network, NetworkConfig, build_network, describe  # noqa: E402
from affekt.models.frontend import FrontendConfig  # noqa: E402

LABELS = ("angry", "happy", "neutral", "sad", "fearful", "disgust")
PAPER = FrontendConfig(n_fft=1024, window=1024, hop_length=256)


def light(**options: object) -> Network:
    """A network whose norms are those of training that has moved them."""
    torch.manual_seed(0)
    config = NetworkConfig(LABELS, "light", options, PAPER)
    network = build_network(config)
    with torch.no_grad():
        for name, values in network.state_dict().items():
            if name.endswith("running_mean"):
                values.normal_(0, 0.1)
            elif name.endswith("running_var"):
                values.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> Network:
    return light()


def test_it_has_the_size_of_the_paper_and_says_what_it_is(network: Network) -> None:
    description = describe(network)
    assert 450_000 < description.parameters < 470_000
    assert description.embedding_size == 640
    assert not description.streamable
    # 11 frames, and twice the pooling and kernels of what follows.
    assert network.encoder.receptive_field == 102
    assert network.encoder.time_stride == 32


@pytest.mark.parametrize("frames", [1, 2, 31, 32, 33, 64, 97])
def test_padding_changes_nothing(network: Network, frames: int) -> None:
    encoder = network.encoder
    features = torch.randn(3, 64, 120)
    mask = torch.zeros(3, 1, 120)
    mask[..., :frames] = 1
    with torch.inference_mode():
        alone, padded = encoder(features[..., :frames]), encoder(features, mask)
    steps = -(-frames // 32)
    assert alone.shape == (3, 320, steps)
    torch.testing.assert_close(padded[..., :steps], alone, atol=1e-5, rtol=0)
    assert padded.shape[2] == 4
    assert not padded[..., steps:].any()


def test_a_frame_depends_on_its_receptive_field_and_no_more(network: Network) -> None:
    features = torch.randn(1, 64, 640, requires_grad=True)
    network.encoder(features)[0, :, 10].abs().sum().backward()
    assert features.grad is not None
    (touched,) = torch.nonzero(features.grad[0].abs().sum(dim=0), as_tuple=True)
    first, last = int(touched[0]), int(touched[-1])
    assert last - first + 1 == network.encoder.receptive_field
    assert first <= 10 * 32 <= last


def test_it_learns_from_a_batch_of_unequal_lengths() -> None:
    network = light(cepstra=20, view=4, blocks=[8, 8], channels=16).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    spectrum, lengths = torch.randn(8, 64, 90), torch.tensor([90, 80, 70, 60, 50, 40, 30, 5])
    targets = torch.arange(8) % 6
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(network.classify(spectrum, lengths), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_it_exports_with_free_length_and_batch(tmp_path: Path) -> None:
    network = light(view=4, blocks=[8, 8, 8, 8], channels=16)
    path = tmp_path / "light.onnx"
    export_onnx(network, path, {})
    parity = check_parity(network, path, durations=(0.1, 0.5, 1.03, 3.0, 10.0))
    assert parity.label_agreement == 1
    assert parity.max_difference < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": 0}, "light: channels must be positive, got 0"),
        ({"blocks": [8, 0]}, "light: channels must be positive"),
        ({"cepstra": -1}, "light: cepstra must be 0 or more, got -1"),
        ({"cepstra": 65}, "light: 65 cepstra need as many bands, got 64"),
        ({"depth": 3}, "depth"),
    ],
)
def test_impossible_options_are_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        light(**options)
