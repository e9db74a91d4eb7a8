from __future__ import annotations

import copy
from pathlib import Path

import pytest

from affekt.data import Clip, read_manifest, write_manifest
from affekt.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "sub/c, d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")  # reading a manifest decodes nothing
    return tmp_path


def manifest(folder: Path, text: str | bytes) -> Path:
    path = folder / "clips.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def test_only_file_and_emotion_are_required(folder: Path) -> None:
    clips = read_manifest(manifest(folder, "emotion,file\nAnger,a.wav\n\nsadness,b.wav\n"))
    assert clips == [Clip(folder / "a.wav", "angry"), Clip(folder / "b.wav", "sad")]


def test_every_column_is_read(folder: Path) -> None:
    header = "file,start,end,speaker,gender,language,corpus,emotion,intensity,split"
    text = f"{header},vote_happy,vote_sadness,recognition,my notes,strength\n"
    text += '"sub/c, d.wav",1.5,2,anna,F,en,mine,joy,strong,dev,3,1,0.75,loud,0.4\n'
    text += "a.wav,,,,,,,neutral,,,,,,,\n"
    full, bare = read_manifest(manifest(folder, text))
    assert full == Clip(
        file=folder / "sub/c, d.wav",
        emotion="happy",
        speaker="anna",
        gender="female",
        language="en",
        corpus="mine",
        intensity="strong",
        split="validation",
        start=1.5,
        end=2.0,
        votes={"happy": 0.75, "sad": 0.25},
        recognition=0.75,
        strength=0.4,
    )
    assert (full.speaker_id, full.name, full.agreement) == ("mine/anna", "c, d@1.5", 0.75)
    assert (bare.speaker_id, bare.name, bare.agreement) == ("", "a", None)


def test_what_is_written_is_read_again(folder: Path) -> None:
    votes = {"angry": 1 / 3, "sad": 2 / 3}
    clips = [
        Clip(folder / "a.wav", "angry", "x", "male", "de", "c", "high", "test", 0.1, 0.7, votes),
        Clip(folder / "sub" / "c, d.wav", "boredom", recognition=0.1, strength=0.0),
        Clip(folder / "b.wav", "calm"),
    ]
    write_manifest(clips, folder / "out.csv")
    assert read_manifest(folder / "out.csv") == clips
    assert (folder / "out.csv").read_text().splitlines()[2].startswith('"sub/c, d.wav",')


def test_files_elsewhere_keep_their_full_path(folder: Path) -> None:
    write_manifest([Clip(folder / "a.wav", "sad")], folder / "lists" / "out.csv")
    assert str(folder / "a.wav") in (folder / "lists" / "out.csv").read_text()
    assert read_manifest(folder / "lists" / "out.csv")[0].file == folder / "a.wav"


def test_a_manifest_moves_with_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    write_manifest([Clip(Path("a.wav"), "sad")], "out.csv")
    moved = folder.rename(folder.with_name("moved"))
    assert read_manifest(moved / "out.csv")[0].file == moved / "a.wav"


def test_a_byte_order_mark_is_no_part_of_the_first_column(folder: Path) -> None:
    clips = read_manifest(manifest(folder, b"\xef\xbb\xbffile,emotion\r\na.wav,calm\r\n"))
    assert clips == [Clip(folder / "a.wav", "calm")]


def test_capitals_and_blanks_in_the_header_do_not_matter(folder: Path) -> None:
    clips = read_manifest(manifest(folder, "File, Emotion ,Speaker\na.wav, calm ,x\n"))
    assert clips == [Clip(folder / "a.wav", "calm", "x")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the manifest is empty"),
        ("\n\n", "the manifest is empty"),
        ("file,emotion\n", "lists no clips"),
        ("file;emotion\na.wav;sad\n", "separated by semicolons; save it with commas"),
        ("file\temotion\na.wav\tsad\n", "separated by tabs"),
        ("file,label\na.wav,sad\n", "missing column emotion; the first row has file, label"),
        ("path,label\na.wav,sad\n", "missing column file, emotion"),
        ("file,emotion,file\na.wav,sad,b.wav\n", "column file occurs more than once"),
        ("file,emotion\na.wav,sad\nb.wav,=hungry\n", "row 3: '=hungry' cannot be a label"),
        ("file,emotion\na.wav,Tired\nb.wav,tired\n", "'Tired' and 'tired' differ only in case"),
        ("file,emotion\na.wav,\n", "row 2: a.wav has no emotion"),
        ("file,emotion\n,sad\n", "row 2: no file is named"),
        ("file,emotion\na.wav,sad,oops\n", "row 2: more fields than columns"),
        ("file,emotion,start\na.wav,sad,1:30\n", "row 2: start '1:30' is not a number"),
        ("file,emotion,start\na.wav,sad,-1\n", "row 2: start '-1' is not a number from 0"),
        ("file,emotion,end\na.wav,sad,nan\n", "row 2: end 'nan' is not a number"),
        ("file,emotion,end\na.wav,sad,inf\n", "row 2: end 'inf' is not a number"),
        ("file,emotion,start,end\na.wav,sad,2,2\n", "row 2: the end .2 s. is not after"),
        ("file,emotion,end\na.wav,sad,0\n", "row 2: the end .0 s. is not after the start"),
        ("file,emotion,gender\na.wav,sad,x\n", "row 2: unknown gender 'x': expected female"),
        ("file,emotion,split\na.wav,sad,tset\n", "row 2: unknown split 'tset'"),
        ("file,emotion,recognition\na.wav,sad,80\n", "row 2: recognition 80 is not a fraction"),
        ("file,emotion,strength\na.wav,sad,80\n", "row 2: strength 80 is not a fraction"),
        ("file,emotion,vote_sad\na.wav,sad,many\n", "row 2: vote_sad 'many' is not a number"),
        ("file,emotion,vote_=x\na.wav,sad,1\n", "column vote_=x: '=x' cannot be a label"),
        ("file,emotion\na.wav,sad\nno.wav,sad\nc.wav,sad\n", r"2 of 3 files .*row 3, 4.*no\.wav"),
        ("file,emotion\nsub,sad\n", "1 of 1 files do not exist"),
        ("file,emotion\nä.wav,sad\n".encode("latin-1"), "not UTF-8 text; save it as 'CSV UTF-8'"),
    ],
)
def test_mistakes_are_named(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(manifest(folder, text))


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv does not exist"):
        read_manifest(tmp_path / "none.csv")


def test_a_file_in_place_of_the_folder_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match="cannot write the manifest"):
        write_manifest([Clip(Path("a.wav"), "sad")], folder / "a.wav" / "out.csv")
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "b.wav", "sub"]


def test_clips_can_be_copied_and_kept_in_sets() -> None:
    clip = Clip(Path("a.wav"), "sad", votes={"sad": 1.0})
    assert copy.deepcopy(clip) == clip
    assert len({clip, clip}) == 1
