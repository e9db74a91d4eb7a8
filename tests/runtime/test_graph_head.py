"""Another head in the bytes of a graph."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from affekt.errors import ModelError
from affekt.runtime.bundle import SHIPPED, open_bundle
from affekt.runtime.graph_head import set_metadata, with_head
from affekt.runtime.head import Head, read_head

CLASSES = 9


def changed(name: str, exponent: float | None = None) -> tuple[bytes, Head, bytes]:
    """A shipped graph, another head for it, and the graph with that head."""
    bundle = open_bundle(name)
    assert bundle.config is not None
    own = read_head(bundle.config)
    generator = np.random.default_rng(0)
    scale = np.abs(own.weights).mean()
    head = Head(
        generator.normal(0, scale, (CLASSES, len(own.mean))).astype(np.float32),
        generator.normal(0, 1, CLASSES).astype(np.float32),
        own.mean,
        own.exponent if exponent is None else exponent,
    )
    before = bundle.graph.read_bytes()
    return before, head, with_head(before, head, {"affekt": "{}", "new": "é"})


def run(graph: bytes, samples: int = 16000) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    waveforms = np.random.default_rng(1).normal(0, 0.1, (2, samples)).astype(np.float32)
    probabilities, embeddings = session.run(["probabilities", "embedding"], {"waveform": waveforms})
    return probabilities, embeddings


@pytest.mark.parametrize("exponent", [None, 0.5])
@pytest.mark.parametrize("name", SHIPPED)
def test_it_answers_with_the_head_and_the_same_embedding(name: str, exponent: float | None) -> None:
    before, head, after = changed(name, exponent)
    probabilities, embeddings = run(after)
    logits = head.logits(embeddings)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(probabilities, odds / odds.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(embeddings, run(before)[1], atol=1e-5)


def test_the_head_of_streams_alike() -> None:
    bundle = open_bundle("live")
    _, head, _ = changed("live")
    graph = with_head((bundle.directory / "head.onnx").read_bytes(), head, {})
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(1).normal(0, 1, (3, len(head.mean))).astype(np.float32)
    (probabilities,) = session.run(["probabilities"], {"embedding": rows})
    logits = head.logits(rows)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(probabilities, odds / odds.sum(axis=1, keepdims=True), atol=1e-5)


def test_ports_and_metadata_are_those_of_the_new_head() -> None:
    before, head, after = changed("nano")
    old, new = (
        onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        for graph in (before, after)
    )
    assert [port.name for port in new.get_outputs()] == [port.name for port in old.get_outputs()]
    assert next(p for p in new.get_outputs() if p.name == "probabilities").shape[-1] == CLASSES
    assert new.get_modelmeta().custom_metadata_map == {"affekt": "{}", "new": "é"}
    # Once more: the operators of the first time are gone.
    again = with_head(after, head, {})
    assert len(again) == len(after)
    np.testing.assert_array_equal(run(again)[0], run(after)[0])
    told = onnxruntime.InferenceSession(
        set_metadata(before, {"affekt": "x"}), providers=["CPUExecutionProvider"]
    )
    assert told.get_modelmeta().custom_metadata_map == {"affekt": "x"}


@pytest.mark.parametrize("damage", [b"", b"no graph at all", b"\x3a\xff\xff\x03ab", b"\x0b"])
def test_what_is_no_graph_is_refused(damage: bytes) -> None:
    _, head, _ = changed("nano")
    with pytest.raises(ModelError, match="no ONNX file of affekt"):
        with_head(damage, head, {})


def test_half_a_graph_is_refused() -> None:
    before, head, _ = changed("nano")
    with pytest.raises(ModelError, match="no ONNX file of affekt"):
        with_head(before[: len(before) // 2], head, {})
