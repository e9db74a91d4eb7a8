from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import write_tiny_model

import affekt
from affekt.errors import ConfigError, ModelError
from affekt.runtime.devices import check_in_use, providers_of


def test_the_cpu_is_always_there() -> None:
    assert providers_of("cpu") == ["CPUExecutionProvider"]


def test_a_device_is_never_silently_another(monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    for device in ("cuda", "tensorrt"):
        with pytest.raises(ModelError, match=f"--device {device} needs .*onnxruntime-gpu"):
            providers_of(device)
    with pytest.raises(ConfigError, match="unknown device 'tpu': expected one of cpu, cuda"):
        providers_of("tpu")
    every = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: every)
    assert providers_of("cuda") == every
    check_in_use("cuda", every)
    with pytest.raises(ModelError, match="CUDAExecutionProvider is installed but did not start"):
        check_in_use("cuda", ["CPUExecutionProvider"])


def test_a_model_goes_where_it_is_asked_to(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    assert affekt.load_model(model, device="cpu").labels
    with pytest.raises(ConfigError, match="unknown device 'moon'"):
        affekt.load_model(model, device="moon")
    with pytest.raises(ConfigError, match="unknown backend 'caffe': expected one of onnx, litert"):
        affekt.load_model(model, backend="caffe")
    with pytest.raises(ModelError, match=r"has no model\.tflite for the backend litert"):
        affekt.load_model(model, backend="litert")
