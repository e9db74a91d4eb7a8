"""What other packages add is found by name, and what is wrong with it is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import affekt

from affekt.errors import AffektError
from affekt.plugins import Registry

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay out a package as an installer does: its module, and its entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def lay_out(points: str, module: str) -> None:
        (tmp_path / "their_package.py").write_text(module, encoding="utf-8")
        facts = tmp_path / "their_package-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n"
        )
        (facts / "entry_points.txt").write_text(points, encoding="utf-8")
        monkeypatch.delitem(sys.modules, "their_package", raising=False)

    return lay_out


def test_names_of_others_stand_beside_our_own(install: Install) -> None:
    install("[affekt.numbers]\nseven = their_package:SEVEN\n", "SEVEN = 7\n")
    numbers = Registry("affekt.numbers", int, {"one": 1})
    assert list(numbers) == ["one", "seven"]
    assert len(numbers) == 2
    assert "seven" in numbers
    assert "eight" not in numbers
    assert numbers["seven"] == 7
    with pytest.raises(KeyError):
        numbers["eight"]
    assert "their_package" in sys.modules


def test_they_are_loaded_when_asked_for(install: Install) -> None:
    install("[affekt.numbers]\nseven = their_package:SEVEN\n", "raise SystemExit\n")
    numbers = Registry("affekt.numbers", int, {"one": 1})
    assert numbers["one"] == 1
    assert list(numbers) == ["one", "seven"]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("import nothing_of_that_name\n", "cannot be loaded: No module named 'nothing_of_that"),
        ("", "cannot be loaded: module 'their_package' has no attribute 'SEVEN'"),
        ("SEVEN = 'seven'\n", "must be a int, got 'seven'"),
    ],
)
def test_what_is_wrong_is_said(install: Install, module: str, message: str) -> None:
    install("[affekt.numbers]\nseven = their_package:SEVEN\n", module)
    with pytest.raises(AffektError, match=message) as caught:
        Registry("affekt.numbers", int)["seven"]
    assert "'seven' of the package their-package" in str(caught.value)


def test_our_own_name_is_kept(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("[affekt.numbers]\none = their_package:SEVEN\n", "SEVEN = 7\n")
    numbers = Registry("affekt.numbers", int, {"one": 1})
    assert list(numbers) == ["one"]
    assert numbers["one"] == 1
    assert "the package their-package: 'one' is a name of affekt's own" in caplog.text


FORMAT = """
from affekt.formats.registry import OutputFormat

LABELS = OutputFormat("their_package", ".labels", several=True)

def lines(tracks, labels):
    for track in tracks:
        yield f"{track.file}: {' '.join(segment.label for segment in track.segments)}"
"""
CORPUS = """
from affekt.data import Clip
from affekt.data.corpora import CORPORA
from dataclasses import replace

def read(folder):
    return [Clip(file, emotion="happy") for file in sorted(folder.iterdir())]

THEIRS = replace(CORPORA["ravdess"], name="theirs", clips=1, read=read, unsettled={})
"""
ENCODER = """
from dataclasses import dataclass
from torch import nn
from affekt.models.registry import Encoder, register

@dataclass(frozen=True)
class Options:
    width: int = 5

@register("theirs", Options)
class Theirs(Encoder):
    "One layer."

    time_stride, receptive_field = 1, 1

    def __init__(self, rows, options):
        super().__init__()
        self.output_channels = options.width
        self.layer = nn.Conv1d(rows, options.width, 1)

    def forward(self, features, mask=None):
        return self.layer(features)
"""
TRANSFORM = """
from dataclasses import dataclass
from affekt.augment.waveform import WaveformTransform

@dataclass(frozen=True)
class Halved(WaveformTransform):
    name = "halved"

    def _apply(self, samples, sample_rate, rng):
        return samples / 2
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[Registry], Registry]:
    """Have a registry look for packages again, and forget them after the test."""

    def look_again(registry: Registry) -> Registry:
        monkeypatch.setattr(registry, "_known", dict(registry._known))
        registry.__dict__.pop("_entry_points", None)
        return registry

    return look_again


def forget(registry: Registry) -> None:
    registry.__dict__.pop("_entry_points", None)


def test_a_format(install: Install, fresh: Callable[[Registry], Registry]) -> None:
    from affekt.formats.registry import FORMATS, text_lines

    install("[affekt.formats]\nlabels = their_package:LABELS\n", FORMAT)
    fresh(FORMATS)
    try:
        assert list(text_lines("labels", [], ("happy",))) == []
        assert FORMATS["labels"].suffix == ".labels"
    finally:
        forget(FORMATS)


def test_a_format_is_a_choice_of_the_command_line(
    install: Install,
    fresh: Callable[[Registry], Registry],
    recordings: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from affekt.formats.registry import FORMATS

    install("[affekt.formats]\nlabels = their_package:LABELS\n", FORMAT)
    fresh(FORMATS)
    file, out = recordings[0], tmp_path / "out.labels"
    try:
        said = affekt(capsys, "predict", file, "--format", "labels")
        assert said.status == 0, said.errors
        assert said.out.startswith(f"{file}: ")
        assert affekt(capsys, "predict", file, "--out", out).status == 0
        assert out.read_text(encoding="utf-8") == said.out
        refused = affekt(capsys, "predict", file, "--format", "words")
        assert refused.status == 2
        errors = " ".join(refused.errors.split())
        assert "'words' is not one of table, json, csv" in errors
        assert "hf, labels" in errors
    finally:
        forget(FORMATS)


def test_a_corpus(install: Install, fresh: Callable[[Registry], Registry], tmp_path: Path) -> None:
    from affekt.data.corpora import CORPORA, load_corpus

    install("[affekt.corpora]\ntheirs = their_package:THEIRS\n", CORPUS)
    fresh(CORPORA)
    (tmp_path / "data" / "theirs").mkdir(parents=True)
    (tmp_path / "data" / "theirs" / "a.wav").write_bytes(b"")
    try:
        (clip,) = load_corpus("theirs", tmp_path / "data")
        assert (clip.file.name, clip.emotion) == ("a.wav", "happy")
    finally:
        forget(CORPORA)


def test_an_encoder(install: Install, fresh: Callable[[Registry], Registry]) -> None:
    pytest.importorskip("torch")
    from affekt.models import ARCHITECTURES, NetworkConfig, build_network

    install("[affekt.encoders]\ntheirs = their_package:Theirs\n", ENCODER)
    fresh(ARCHITECTURES)
    try:
        network = build_network(NetworkConfig(("happy", "sad"), "theirs", {"width": 3}))
        assert network.encoder.output_channels == 3
    finally:
        forget(ARCHITECTURES)


def test_an_augmentation(install: Install, fresh: Callable[[Registry], Registry]) -> None:
    import numpy as np

    from affekt.augment import TRANSFORMS, get_transform

    install("[affekt.augmentations]\nhalved = their_package:Halved\n", TRANSFORM)
    fresh(TRANSFORMS)
    try:
        halved = get_transform("halved", {})
        samples = np.ones(8, dtype=np.float32)
        assert halved(samples, 16_000, np.random.default_rng(0)).tolist() == [0.5] * 8
    finally:
        forget(TRANSFORMS)
