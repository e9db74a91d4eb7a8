from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import RATE, sound, write_sound

from affekt.data import Clip, load_corpus
from affekt.data.audit import KINDS, AuditReport, audit


def clip(path: Path, emotion: str = "sad", **facts: object) -> Clip:
    return replace(Clip(path, emotion, speaker=path.stem), **facts)  # type: ignore[arg-type]


def found(report: AuditReport) -> list[tuple[str, list[str]]]:
    return [(f.kind, [Path(name).name for name in f.files]) for f in report.findings]


def test_good_recordings_are_left_in_peace(tmp_path: Path) -> None:
    clips = [clip(write_sound(tmp_path / f"{name}.wav"), split="train") for name in "abc"]
    report = audit(clips)
    assert report == AuditReport(clips=3, seconds=1.5, findings=())
    assert not report.leaks
    assert audit([]).findings == ()


def test_what_the_ear_would_notice(tmp_path: Path) -> None:
    loud = np.clip(20 * sound("loud"), -1, 1)
    clips = [
        clip(write_sound(tmp_path / "clipped.wav", loud)),
        clip(write_sound(tmp_path / "short.wav", sound("short", seconds=0.2))),
        clip(write_sound(tmp_path / "silent1.wav", np.zeros(RATE, dtype=np.float32))),
        clip(write_sound(tmp_path / "silent2.wav", np.zeros(RATE, dtype=np.float32))),
        clip(tmp_path / "text.wav"),
        clip(tmp_path / "missing.wav"),
    ]
    clips[4].file.write_text("this is no audio")
    report = audit(clips)
    assert found(report) == [
        ("unreadable", ["missing.wav"]),
        ("unreadable", ["text.wav"]),
        ("silent", ["silent1.wav"]),
        ("silent", ["silent2.wav"]),  # two silences are not the same recording
        ("short", ["short.wav"]),
        ("clipped", ["clipped.wav"]),
    ]
    assert "no such file" in report.findings[0].detail
    assert report.counts == {"unreadable": 2, "silent": 2, "short": 1, "clipped": 1}
    assert report.seconds == pytest.approx(0.5 + 0.2 + 1 + 1)


def test_one_peak_at_full_scale_is_no_clipping(tmp_path: Path) -> None:
    normalised = sound("x", seconds=2)
    normalised[100] = 1.0
    assert audit([clip(write_sound(tmp_path / "x.wav", normalised))]).findings == ()


def test_the_same_samples_in_another_container(tmp_path: Path) -> None:
    samples = np.round(sound("x") * 32768) / 32768  # whole steps of 16 bits
    wav = clip(write_sound(tmp_path / "a.wav", samples.astype(np.float32)))
    flac = clip(write_sound(tmp_path / "b.flac", samples.astype(np.float32)))
    stereo = clip(write_sound(tmp_path / "c.wav", np.stack([samples, samples], 1)))
    report = audit([wav, flac, stereo])
    assert found(report) == [("duplicate", ["a.wav", "b.flac", "c.wav"])]
    assert report.findings[0].detail == "identical samples"


@pytest.mark.parametrize(("extension", "level"), [("mp3", 0.9), ("ogg", 0.7), ("opus", 0.5)])
def test_a_lossy_copy_is_found(tmp_path: Path, extension: str, level: float) -> None:
    samples = sound("x", seconds=2)
    samples = np.convolve(samples, np.hanning(9) / 4, mode="same").astype(np.float32)  # no hiss
    copy = tmp_path / f"copy.{extension}"
    soundfile.write(copy, samples, RATE, compression_level=level, format=_container(extension))
    others = [clip(write_sound(tmp_path / f"{n}.wav", sound(n, seconds=2))) for n in "abc"]
    original = clip(write_sound(tmp_path / "x.wav", samples))
    report = audit([*others, original, clip(copy)])
    assert [kind for kind, _ in found(report)] == ["duplicate"]
    assert set(found(report)[0][1]) == {"x.wav", copy.name}
    assert "waveforms correlate at 0." in report.findings[0].detail


def _container(extension: str) -> str:
    return "MP3" if extension == "mp3" else "OGG"


def test_the_same_loudness_is_not_the_same_recording(tmp_path: Path) -> None:
    swell = np.interp(np.arange(2 * RATE), [0, RATE, 2 * RATE], [0.01, 0.3, 0.02])
    clips = []
    for seed in range(3):
        noise = np.random.default_rng(seed).uniform(-1, 1, 2 * RATE)
        clips.append(clip(write_sound(tmp_path / f"{seed}.wav", (swell * noise).astype("f4"))))
    assert audit(clips).findings == ()


def test_one_recording_under_two_labels(tmp_path: Path) -> None:
    first, second = (write_sound(tmp_path / f"{n}.wav", sound("x")) for n in "ab")
    report = audit([clip(first, "happy"), clip(second, "neutral")])
    assert found(report) == [("contradiction", ["a.wav", "b.wav"])]
    assert report.findings[0].detail == "identical samples, labelled happy and neutral"
    assert not report.leaks


def test_one_recording_on_two_sides(tmp_path: Path) -> None:
    first, second = (write_sound(tmp_path / f"{n}.wav", sound("x")) for n in "ab")
    report = audit([clip(first, split="train"), clip(second, split="test")])
    assert found(report) == [("audio-leak", ["a.wav", "b.wav"])]
    assert report.leaks


def test_one_speaker_on_two_sides(tmp_path: Path) -> None:
    one = clip(write_sound(tmp_path / "a.wav"), speaker="anna", split="train")
    other = clip(write_sound(tmp_path / "b.wav"), speaker="anna", split="test")
    unknown = clip(write_sound(tmp_path / "c.wav"), speaker="", split="test")
    report = audit([one, other, unknown])
    assert found(report) == [("speaker-leak", []), ("no-speaker", [])]
    assert report.findings[0].detail == "speaker anna is in test and train"
    assert report.leaks
    assert not audit([replace(c, split="") for c in (one, other, unknown)]).findings


def test_labels_that_few_listeners_chose(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav")
    doubted = clip(path, votes={"angry": 0.9, "sad": 0.05, "calm": 0.05})
    torn = clip(path, votes={"angry": 0.5, "calm": 0.5})
    agreed = clip(path, votes={"angry": 0.4, "sad": 0.6})
    unheard = clip(path, recognition=0.0)
    details = [f.detail for f in audit([doubted]).findings]
    assert details == ["5% of the listeners chose sad, 90% angry"]
    assert audit([torn]).findings == audit([agreed]).findings == ()
    assert [f.kind for f in audit([unheard]).findings] == ["doubtful"]
    assert [f.kind for f in audit([agreed], min_agreement=0.7).findings] == []
    assert [f.kind for f in audit([doubted], min_agreement=0.01).findings] == []


def test_stretches_of_one_file(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "talk.wav", sound("talk", seconds=2))
    first = clip(path, start=0.0, end=1.0)
    second = clip(path, start=1.0, end=2.5)
    behind = clip(path, start=3.0)
    report = audit([first, second, behind])
    assert [finding.kind for finding in report.findings] == ["unreadable", "cut-off"]
    assert report.findings[0].files == (f"{path} from 3 s",)
    assert "lasts 2.00 s: nothing of it is between 3 and 2 s" in report.findings[0].detail
    assert report.findings[1].detail == "1.000 of 1.500 s are there"
    assert report.seconds == 2.0


def test_progress_is_told_of_every_clip(tmp_path: Path) -> None:
    told: list[float] = []

    @contextmanager
    def count(description: str, total: float | None) -> Iterator[Callable[[float], None]]:
        assert (description, total) == ("Listening", 2)
        yield told.append

    audit([clip(write_sound(tmp_path / f"{n}.wav")) for n in "ab"], progress=count)
    assert told == [1, 1]


def test_the_known_faults_of_cremad_are_found(data_root: Path) -> None:
    wanted = ("1006_TIE", "1013_WSI", "1017_IWW", "1076_MTI", "1067_IEO")
    clips = [c for c in load_corpus("cremad", data_root) if c.name[:8] in wanted]
    report = audit(clips)
    kinds = {kind: [files for k, files in found(report) if k == kind] for kind in KINDS}
    assert kinds["contradiction"] == [
        ["1006_TIE_HAP_XX.ogg", "1006_TIE_NEU_XX.ogg"],
        ["1013_WSI_DIS_XX.ogg", "1013_WSI_SAD_XX.ogg"],
        ["1017_IWW_ANG_XX.ogg", "1017_IWW_FEA_XX.ogg"],
        ["1067_IEO_DIS_LO.ogg", "1067_IEO_FEA_LO.ogg"],  # not byte by byte, but the same take
    ]
    assert kinds["silent"] == [["1076_MTI_SAD_XX.ogg"]]
    assert kinds["duplicate"] == kinds["unreadable"] == []
    assert [f.detail for f in report.findings if f.kind == "incomplete"] == [
        f"{len(clips)} of 7442 clips of cremad"
    ]


def test_emodb_has_no_faults(data_root: Path) -> None:
    clips = [c for c in load_corpus("emodb", data_root) if c.speaker in ("03", "14")]
    assert {f.kind for f in audit(clips).findings} == {"incomplete"}


def test_ravdess_repeats_one_recording(data_root: Path) -> None:
    clips = [c for c in load_corpus("ravdess", data_root) if c.speaker == "07"]
    duplicates = [files for kind, files in found(audit(clips)) if kind == "duplicate"]
    assert duplicates == [["03-01-03-01-02-01-07.flac", "03-01-03-01-02-02-07.flac"]]
