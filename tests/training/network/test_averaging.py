from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tiny_network import tiny_network  # noqa: E402

from affekt.training.network.loop import WeightAverage  # noqa: E402


def moved(network: torch.nn.Module, by: float) -> None:
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(by if value.dtype.is_floating_point else round(by))


@pytest.mark.parametrize("decay", [0.999, 0.3])
def test_it_is_the_average_computed_by_hand(decay: float) -> None:
    network = tiny_network()
    average = WeightAverage(network, decay)
    expected = network.head[-1].weight.detach().clone().double()
    for step in range(30):
        moved(network, by=1.0)
        average.update(network, step)
        kept = min(decay, (step + 1) / (step + 10))  # little while there is little to keep
        expected = kept * expected + (1 - kept) * network.head[-1].weight.detach().double()
    found = average.network.head[-1].weight.detach().double()
    assert torch.allclose(found, expected, atol=1e-4)
    assert (network.head[-1].weight - found).abs().min() > 0.1  # it trails


def test_without_decay_it_is_the_network() -> None:
    network = tiny_network()
    average = WeightAverage(network, 0.0)
    moved(network, by=2.0)
    average.update(network, 0)
    for name, value in network.state_dict().items():
        assert torch.equal(average.network.state_dict()[name], value), name


def test_counters_are_taken_over_and_the_network_is_left_alone() -> None:
    network = tiny_network()
    average = WeightAverage(network, 0.9)
    moved(network, by=3.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    average.update(network, 0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    counters = [n for n, v in network.state_dict().items() if not v.dtype.is_floating_point]
    assert counters
    for name in counters:
        assert torch.equal(average.network.state_dict()[name], before[name])
