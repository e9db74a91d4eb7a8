from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tiny_network import tiny_network  # noqa: E402

from affekt.errors import ModelError  # noqa: E402
from affekt.models import checkpoint  # noqa: E402


def trained(seed: int) -> tuple:
    """Return a network, a second one as its average, and an optimiser with two steps behind it."""
    network, average = tiny_network(seed).train(), tiny_network(seed + 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        network.classify(torch.randn(4, 64, 30)).square().sum().backward()
        optimizer.step()
    return network, average, optimizer


def test_tensors_and_facts_come_back(tmp_path: Path) -> None:
    tensors = {
        "half": torch.randn(3, 2).half(),
        "count": torch.tensor(7),
        "turned": torch.arange(6).reshape(2, 3).T,
    }
    checkpoint.save(tmp_path / "a.safetensors", tensors, {"step": 3, "uar": None, "loss": math.nan})
    found, facts = checkpoint.load(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(found[name], value)
        assert found[name].dtype == value.dtype
    assert facts["step"] == 3
    assert facts["uar"] is None
    assert math.isnan(facts["loss"])


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    torch.manual_seed(5)
    network, average, optimizer = trained(0)
    checkpoint.save(
        tmp_path / "a.safetensors", checkpoint.training_tensors(network, average, optimizer), {}
    )

    def go_on(network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
        optimizer.zero_grad()
        network.classify(torch.randn(4, 64, 30)).square().sum().backward()  # with dropout
        optimizer.step()
        return [value.clone() for value in network.state_dict().values()]

    expected = go_on(network, optimizer)
    other, other_average, other_optimizer = trained(10)
    tensors, _ = checkpoint.load(tmp_path / "a.safetensors")
    checkpoint.restore(tensors, other, other_average, other_optimizer)
    for name, value in average.state_dict().items():
        assert torch.equal(other_average.state_dict()[name], value), name
    assert all(map(torch.equal, expected, go_on(other, other_optimizer)))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, {"a": torch.ones(2)}, {"step": 1})
    with pytest.raises(TypeError):
        checkpoint.save(path, {"a": torch.zeros(2)}, {"step": object()})
    assert checkpoint.load(path)[1] == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "one byte short", "text", "empty", "a list", "no facts"])
def test_a_damaged_file_says_what_to_do(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"a": torch.ones(100)}, {"step": 1})
    whole = path.read_bytes()
    if damage == "no facts":
        from safetensors.torch import save_file

        save_file({"a": torch.ones(1)}, path)
    else:
        path.write_bytes(
            {
                "cut": whole[:200],
                "one byte short": whole[:-1],
                "text": b"dear diary" * 9,
                "empty": b"",
                "a list": (2).to_bytes(8, "little") + b"[]",
            }[damage]
        )
    with pytest.raises(ModelError, match=r"last\.safetensors is damaged .*delete it to start agai"):
        checkpoint.load(path)


def test_it_is_read_while_another_process_saves(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"a": torch.full((3000,), 0.0)}, {"step": 0})
    script = (
        "import itertools, sys, torch\n"
        "from pathlib import Path\n"
        "from affekt.models import checkpoint\n"
        "for step in itertools.count(1):\n"
        "    facts = {'step': step, 'text': 'x' * (step % 100)}\n"
        "    tensors = {'a': torch.full((1000 + step % 7,), float(step))}\n"
        "    checkpoint.save(Path(sys.argv[1]), tensors, facts)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, path]) as saving:
        try:
            steps = []
            while len(set(steps)) < 50 and saving.poll() is None:
                tensors, facts = checkpoint.load(path)
                assert torch.equal(tensors["a"], torch.full_like(tensors["a"], facts["step"]))
                steps.append(facts["step"])
        finally:
            saving.kill()
    assert len(set(steps)) >= 50
    assert steps == sorted(steps)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no checkpoint at .*gone\.safetensors"):
        checkpoint.load(tmp_path / "gone.safetensors")
