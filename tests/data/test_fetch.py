from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import (
    CREMAD_NAMES,
    make_cremad,
    make_emodb,
    make_ravdess,
    wav_bytes,
    zip_folder,
)

from affekt.data import CORPORA, Corpus, load_corpus
from affekt.data import fetch as fetching
from affekt.data.fetch import fetch
from affekt.errors import DataError


def checksum(path: Path, kind: str = "md5") -> str:
    return f"{kind}:{hashlib.new(kind, path.read_bytes()).hexdigest()}"


@pytest.fixture
def ravdess(tmp_path: Path, server: Any) -> Corpus:
    """RAVDESS with three clips and the checksum of what the server has."""
    official = CORPORA["ravdess"].downloads[0]
    archive = zip_folder(make_ravdess(tmp_path / "packed"), server.folder / official.path)
    downloads = (replace(official, checksum=checksum(archive)),)
    return replace(CORPORA["ravdess"], clips=3, downloads=downloads)


@pytest.fixture
def cremad(server: Any) -> Corpus:
    make_cremad(server.folder)
    return replace(CORPORA["cremad"], clips=3)


def records(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "downloads.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_the_official_homes() -> None:
    (ravdess,) = CORPORA["ravdess"].downloads
    assert ravdess.url.startswith("https://zenodo.org/records/1188976/files/Audio_Speech")
    assert ravdess.checksum == "md5:bc696df654c87fed845eb13823edef8a"
    (emodb,) = CORPORA["emodb"].downloads
    assert emodb.url == "http://emodb.bilderbar.info/download/download.zip"
    assert all("CheyneyComputerScience/CREMA-D" in d.url for d in CORPORA["cremad"].downloads)


def test_an_archive_is_fetched_checked_unpacked_and_read(
    tmp_path: Path, server: Any, ravdess: Corpus
) -> None:
    clips = fetch(ravdess, tmp_path / "data", mirror=server.url)
    folder = tmp_path / "data" / "ravdess"
    assert [clip.emotion for clip in clips] == ["neutral", "angry", "surprised"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "Actor_01", "Actor_02", "downloads.csv"
    ]  # fmt: skip
    (record,) = records(folder).values()
    archive = server.folder / ravdess.downloads[0].path
    assert record["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert record["checked_against"] == ravdess.downloads[0].checksum
    assert int(record["bytes"]) == archive.stat().st_size


def test_what_is_there_is_not_fetched_again(tmp_path: Path, server: Any, ravdess: Corpus) -> None:
    fetch(ravdess, tmp_path, mirror=server.url)
    asked = len(server.asked)
    assert len(fetch(ravdess, tmp_path, mirror=server.url)) == 3
    assert len(server.asked) == asked


def test_a_missing_clip_makes_it_fetch_again(tmp_path: Path, server: Any, ravdess: Corpus) -> None:
    lost = fetch(ravdess, tmp_path, mirror=server.url)[0].file
    lost.unlink()
    fetch(ravdess, tmp_path, mirror=server.url)
    assert lost.is_file()


def test_an_interrupted_archive_goes_on(tmp_path: Path, server: Any, ravdess: Corpus) -> None:
    archive = server.folder / ravdess.downloads[0].path
    part = tmp_path / "ravdess" / f"{archive.name}.part"
    part.parent.mkdir()
    part.write_bytes(archive.read_bytes()[:50_000])
    fetch(ravdess, tmp_path, mirror=server.url)
    assert server.asked == [(f"/{archive.name}", "bytes=50000-")]


def test_a_wrong_checksum_leaves_nothing_behind(
    tmp_path: Path, server: Any, ravdess: Corpus
) -> None:
    wrong = replace(ravdess.downloads[0], checksum="md5:" + "0" * 32)
    with pytest.raises(DataError, match=r"md5 checksum is [0-9a-f]{32}, not 0{32}: the file was"):
        fetch(replace(ravdess, downloads=(wrong,)), tmp_path, mirror=server.url)
    assert list((tmp_path / "ravdess").iterdir()) == []


def test_a_mirror_is_held_to_the_official_checksum(tmp_path: Path, server: Any) -> None:
    name = CORPORA["ravdess"].downloads[0].path
    zip_folder(make_ravdess(tmp_path / "packed"), server.folder / name)
    with pytest.raises(DataError, match="not bc696df654c87fed845eb13823edef8a"):
        fetch(CORPORA["ravdess"], tmp_path, mirror=server.url)


def test_a_file_that_is_not_served(tmp_path: Path, server: Any, ravdess: Corpus) -> None:
    (server.folder / ravdess.downloads[0].path).unlink()
    with pytest.raises(DataError, match=r"Audio_Speech_Actors_01-24\.zip: the server says 404"):
        fetch(ravdess, tmp_path, mirror=server.url)


def test_an_archive_without_a_published_checksum_is_checked_by_its_crcs(
    tmp_path: Path, server: Any
) -> None:
    archive = zip_folder(make_emodb(tmp_path / "packed"), server.folder / "download.zip")
    corpus = replace(CORPORA["emodb"], clips=3)
    good = archive.read_bytes()
    archive.write_bytes(good[:2000] + b"damage" + good[2006:])
    with pytest.raises(DataError, match="is damaged"):
        fetch(corpus, tmp_path, mirror=server.url)
    archive.write_bytes(good)
    assert len(fetch(corpus, tmp_path, mirror=server.url)) == 3
    assert records(tmp_path / "emodb")["download.zip"]["checked_against"] == ""


def test_an_archive_that_lacks_clips(tmp_path: Path, server: Any, ravdess: Corpus) -> None:
    with pytest.raises(DataError, match="holds only 3 of 4 clips; see https://zenodo.org"):
        fetch(replace(ravdess, clips=4), tmp_path, mirror=server.url)


@pytest.mark.parametrize("occupied", [".", "ravdess"])
def test_a_place_that_cannot_be_written(
    tmp_path: Path, server: Any, ravdess: Corpus, occupied: str
) -> None:
    root = tmp_path / "root"
    (root / occupied).parent.mkdir(exist_ok=True)
    (root / occupied).write_text("a file where the folder should be")
    with pytest.raises(DataError, match=f"cannot write {root}/ravdess: "):
        fetch(ravdess, root, mirror=server.url)
    assert server.asked == []


def test_a_corpus_that_comes_file_by_file(tmp_path: Path, server: Any, cremad: Corpus) -> None:
    clips = fetch(cremad, tmp_path, mirror=server.url)
    assert [clip.name for clip in clips] == list(CREMAD_NAMES)
    assert clips[0].agreement == 0.6
    assert clips[0].gender == "male"
    record = records(tmp_path / "cremad")
    assert len(record) == 5 + 3
    sha256 = hashlib.sha256(wav_bytes(CREMAD_NAMES[0])).hexdigest()
    assert record[f"AudioWAV/{CREMAD_NAMES[0]}.wav"]["sha256"] == sha256


def test_only_missing_files_are_fetched(tmp_path: Path, server: Any, cremad: Corpus) -> None:
    clips = fetch(cremad, tmp_path, mirror=server.url)
    clips[1].file.unlink()
    server.asked.clear()
    fetch(cremad, tmp_path, mirror=server.url)
    assert server.asked == [(f"/AudioWAV/{CREMAD_NAMES[1]}.wav", None)]


def test_one_missing_file_does_not_stop_the_others(
    tmp_path: Path, server: Any, cremad: Corpus
) -> None:
    gone = server.folder / "AudioWAV" / f"{CREMAD_NAMES[0]}.wav"
    content = gone.read_bytes()
    gone.unlink()
    with pytest.raises(DataError, match=r"at least 1 of 3 files could not be had.*404"):
        fetch(cremad, tmp_path, mirror=server.url)
    assert len(load_corpus("cremad", tmp_path)) == 2
    gone.write_bytes(content)
    server.asked.clear()
    assert len(fetch(cremad, tmp_path, mirror=server.url)) == 3
    assert len(server.asked) == 1


def test_many_missing_files_stop_the_fetching(
    tmp_path: Path, server: Any, cremad: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_MOST_FAILURES", 0)
    for file in (server.folder / "AudioWAV").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="at least 1 of 3 files"):
        fetch(cremad, tmp_path, mirror=server.url, connections=1)


@pytest.mark.parametrize("content", [b"<html>quota exceeded</html>", wav_bytes("x")[:-9], b""])
def test_what_is_not_a_whole_wav_is_not_kept(
    tmp_path: Path, server: Any, cremad: Corpus, content: bytes
) -> None:
    (server.folder / "AudioWAV" / f"{CREMAD_NAMES[0]}.wav").write_bytes(content)
    with pytest.raises(DataError, match="not a complete wav file"):
        fetch(cremad, tmp_path, mirror=server.url)
    assert len(list((tmp_path / "cremad" / "AudioWAV").iterdir())) == 2


def test_git_lfs_pointers_are_replaced_and_checked(
    tmp_path: Path, server: Any, cremad: Corpus
) -> None:
    folder = make_cremad(tmp_path / "cremad", audio=False)
    (folder / "AudioWAV").mkdir()
    for name in CREMAD_NAMES:
        sha256 = hashlib.sha256(wav_bytes(name)).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 16044\n"
        (folder / "AudioWAV" / f"{name}.wav").write_text(pointer)
    damaged = server.folder / "AudioWAV" / f"{CREMAD_NAMES[2]}.wav"
    damaged.write_bytes(wav_bytes("another"))
    with pytest.raises(DataError, match="the sha256 checksum is"):
        fetch(cremad, tmp_path, mirror=server.url, connections=1)
    damaged.write_bytes(wav_bytes(CREMAD_NAMES[2]))
    assert len(fetch(cremad, tmp_path, mirror=server.url)) == 3
    checked = records(folder)[f"AudioWAV/{CREMAD_NAMES[2]}.wav"]["checked_against"]
    assert checked == f"sha256:{hashlib.sha256(damaged.read_bytes()).hexdigest()}"
