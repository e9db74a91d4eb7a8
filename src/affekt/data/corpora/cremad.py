"""CREMA-D: the Crowd-sourced Emotional Multimodal Actors Dataset, audio only.

Cao et al., "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset", IEEE Transactions on
Affective Computing 5(4), 2014. 91 actors say twelve sentences in six emotions. Files lie in
``AudioWAV/`` and are named ``AAAA_SSS_EEE_LL``: actor, sentence, emotion, level. The label is
the intended emotion; the raters' choices from the voice alone become the clip's votes, and the mean
strength by those who chose the label, its strength.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from affekt.data.corpora.base import (
    Corpus,
    Download,
    audio_files,
    log,
    one_per_name,
    refuse_misnamed,
)
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": ""}

_VOTES = {emotion[0]: label for emotion, label in EMOTIONS.items()}
_STRENGTHS = {  # column to the label whose voters it is the mean of, from 0 to 100
    "meanAngerResp": "angry",
    "meanDisgustResp": "disgust",
    "meanFearResp": "fearful",
    "meanHappyResp": "happy",
    "meanNeutralResp": "neutral",
    "meanSadResp": "sad",
}
_FOLDERS = ("AudioWAV", "audio", "AudioMP3")
_NAME = re.compile(
    r"(10(?:0[1-9]|[1-8]\d|9[01]))"
    r"_(?:IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)"
    r"_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX)"
)
_LFS_POINTER = b"version https://git-lfs"
_LFS_POINTER_SIZE = 200  # bytes, more than any pointer has and less than any clip


def read(folder: Path) -> list[Clip]:
    """Read all clips in ``AudioWAV/``, with votes, strength and people from the tables beside it.

    Raises
    ------
    DataError
        If a recording is not named as above, is a Git LFS pointer in place of audio, or a table
        has lost its columns.
    """
    inner = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), folder)
    people, (votes, strengths) = _people(folder), _ratings(folder)
    clips, misnamed = [], []
    for file in one_per_name(audio_files(inner), "cremad"):
        match = _NAME.fullmatch(file.stem)
        if match is None:
            misnamed.append(file.name)
            continue
        emotion = EMOTIONS[match[2]]
        gender, age = people.get(match[1], ("", None))
        clips.append(
            Clip(
                file=file,
                emotion=emotion,
                speaker=match[1],
                gender=gender,
                age=age,
                language="en",
                corpus="cremad",
                intensity=LEVELS[match[3]],
                votes=votes.get(file.stem),
                strength=strengths.get(file.stem, {}).get(emotion),
            )
        )
    refuse_misnamed("cremad", folder, misnamed, "AAAA_SSS_EEE_LL (as in 1001_IEO_ANG_HI)")
    _refuse_pointers(folder, clips)
    return clips


def _refuse_pointers(folder: Path, clips: list[Clip]) -> None:
    """Raise if the repository was cloned without Git LFS, which leaves text in place of audio."""
    small = [clip.file for clip in clips if clip.file.stat().st_size < _LFS_POINTER_SIZE]
    pointers = [file for file in small if file.read_bytes().startswith(_LFS_POINTER)]
    if pointers:
        raise DataError(
            f"cremad: {len(pointers)} files in {folder} are Git LFS pointers, not audio "
            f"({pointers[0].name}); run 'git lfs pull' there, or 'affekt data get cremad'"
        )


def _table(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the given columns of one of the corpus's tables, or nothing where it is not there.

    In the official repository some tables lie in ``processedResults``.
    """
    places = (folder / name, folder / "processedResults" / name)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        log.warning("cremad: %s is not in %s; what it tells stays unknown", name, folder)
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        try:
            places_in_row = [header.index(column) for column in columns]
        except ValueError:
            raise DataError(f"{path} lacks one of the columns {', '.join(columns[1:])}") from None
        for row in rows:
            if len(row) != len(header):
                raise DataError(
                    f"{path}, row {rows.line_num}: {len(row)} fields, not {len(header)}"
                )
            yield [row[place] for place in places_in_row]


def _people(folder: Path) -> dict[str, tuple[str, float | None]]:
    """Return gender and age in years by actor."""
    table = _table(folder, "VideoDemographics.csv", ("ActorID", "Sex", "Age"))
    return {
        actor: (
            sex.lower() if sex in ("Female", "Male") else "",
            float(age) if age.isdecimal() else None,
        )
        for actor, sex, age in table
    }


_Shares = dict[str, dict[str, float]]
"""Clip name to numbers from 0 to 1 by emotion."""


def _ratings(folder: Path) -> tuple[_Shares, _Shares]:
    """Return the ratings of the voice alone: the share that voted for each emotion, and the mean
    strength by those who did, where somebody did.

    The table holds three blocks of rows, by the first digit of the row's number:
    1 voice, 2 face, 3 both.
    """
    votes, strengths = {}, {}
    columns = ("", "fileName", *_VOTES, *_STRENGTHS)
    for number, name, *cells in _table(folder, "tabulatedVotes.csv", columns):
        if number[:1] != "1":
            continue
        try:
            counts = [int(cell) for cell in cells[: len(_VOTES)]]
            means = [float(cell) for cell in cells[len(_VOTES) :]]
        except ValueError:
            raise DataError(
                f"cremad: tabulatedVotes.csv, row {number}: votes are not numbers"
            ) from None
        if max(means) > 100:
            raise DataError(f"cremad: tabulatedVotes.csv, row {number}: a strength is above 100")
        total = sum(counts)
        if total > 0:
            votes[name] = {e: n / total for e, n in zip(_VOTES.values(), counts, strict=True)}
        # -1 stands where nobody voted so.
        rated = zip(_STRENGTHS.values(), means, strict=True)
        strengths[name] = {emotion: mean / 100 for emotion, mean in rated if mean >= 0}
    return votes, strengths


_RAW = "https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/master/"
_MEDIA = "https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/master/"


def listing(folder: Path) -> list[Download]:
    """Return the clips to download, as the corpus's own list names them."""
    names = [row[0] for row in _table(folder, "SentenceFilenames.csv", ("Filename",))]
    return [Download(url=f"{_MEDIA}AudioWAV/{n}.wav", path=f"AudioWAV/{n}.wav") for n in names]


CREMAD = Corpus(
    name="cremad",
    title="CREMA-D (Crowd-sourced Emotional Multimodal Actors Dataset)",
    language="en",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=91,
    clips=7442,
    licence="ODbL-1.0",
    non_commercial=False,
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    downloads=(
        Download(url=f"{_RAW}LICENSE.txt", path="LICENSE.txt"),
        Download(url=f"{_RAW}SentenceFilenames.csv", path="SentenceFilenames.csv"),
        Download(url=f"{_RAW}VideoDemographics.csv", path="VideoDemographics.csv"),
        Download(url=f"{_RAW}processedResults/tabulatedVotes.csv", path="tabulatedVotes.csv"),
        Download(url=f"{_RAW}processedResults/summaryTable.csv", path="summaryTable.csv"),
    ),
    read=read,
    listing=listing,
)
