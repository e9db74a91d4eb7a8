"""Opening a graph: what the installed runtime cannot run is told apart from what is damaged."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from portable_graph import assert_portable

from affekt.errors import ModelError
from affekt.runtime import session
from affekt.runtime.bundle import ASSETS
from affekt.runtime.session import LOWEST_RUNTIME, open_session


def write_graph(
    path: Path,
    operator: str = "Cos",
    kind: int = TensorProto.FLOAT,
    *,
    opset: int = 18,
    ir_version: int = 10,
) -> Path:
    """A graph of one operator."""
    ports = [helper.make_tensor_value_info(name, kind, [2]) for name in ("x", "y")]
    node = helper.make_node(operator, ["x"], ["y"])
    graph = helper.make_graph([node], "one", ports[:1], ports[1:])
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir_version), path)
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"operator": "Acosh", "kind": TensorProto.DOUBLE}, "implementation for Acosh"),
        ({"operator": "Unheard"}, "No Op registered for Unheard"),
        ({"opset": 99}, "Opset 99"),
        ({"ir_version": 99}, "Unsupported model IR version: 99"),
    ],
)
def test_a_graph_that_the_runtime_cannot_run(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    graph = write_graph(tmp_path / "model.onnx", **change)  # type: ignore[arg-type]
    with pytest.raises(ModelError) as caught:
        open_session(graph, threads=1)
    message = str(caught.value)
    assert message.startswith(f"onnxruntime {onnxruntime.__version__} cannot run {graph} (")
    assert reason in message
    assert "pip install -U onnxruntime" in message
    assert f"from onnxruntime {LOWEST_RUNTIME} on" in message
    assert "damaged" not in message
    assert "onnxruntime_src" not in message


def test_a_runtime_that_is_too_old_is_told_the_lowest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOWEST_RUNTIME", "99.5")  # above the one that is installed
    graph = write_graph(tmp_path / "model.onnx", "Acosh", TensorProto.DOUBLE)
    with pytest.raises(ModelError, match=r"affekt needs onnxruntime 99\.5 or newer: pip install"):
        open_session(graph, threads=1)


def test_the_lowest_runtime_is_the_one_that_is_asked_for(repository: Path) -> None:
    assert f'"onnxruntime>={LOWEST_RUNTIME}",' in (repository / "pyproject.toml").read_text("utf-8")


def short_name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("graph", sorted(ASSETS.rglob("*.onnx")), ids=short_name)
def test_shipped_graphs_use_what_the_lowest_runtime_has(graph: Path) -> None:
    assert_portable(graph)
