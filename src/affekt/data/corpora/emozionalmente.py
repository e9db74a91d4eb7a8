"""Emozionalmente: acted Italian speech of 431 volunteers, recorded over the web.

Catania, Wilke and Garzotto, "Emozionalmente: A Crowdsourced Corpus of Simulated Emotional Speech
in Italian", IEEE Transactions on Audio, Speech and Language Processing 33, 2025. 18 sentences,
seven emotions. Clips lie in ``audio/``; ``metadata/samples.csv`` names the actor and the emotion
of each, ``users.csv`` the actors' genders, ``evaluations.csv`` the labels of five listeners.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, log, read_table
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "joy": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}
GENDERS = {"f": "female", "female": "female", "m": "male", "male": "male"}


def read(folder: Path) -> list[Clip]:
    """Read the clips that ``samples.csv`` lists and that are there.

    Raises
    ------
    DataError
        If the tables are missing or lack a column, name an unknown emotion, or a recording is not
        listed.
    """
    recordings = {file.name: file for file in audio_files(folder)}
    if not recordings:
        return []
    metadata = _metadata(folder)
    genders = {
        name: GENDERS.get(gender.lower(), "")
        for name, gender in read_table(metadata / "users.csv", "username", "gender")
    }
    votes = _votes(metadata / "evaluations.csv")
    samples = metadata / "samples.csv"
    clips = []
    for name, actor, emotion in read_table(samples, "file_name", "actor", "emotion_expressed"):
        name = Path(name).name
        file = recordings.pop(name, None)
        if file is None:
            continue
        clips.append(
            Clip(
                file=file,
                emotion=_emotion(emotion, samples),
                speaker=actor,
                gender=genders.get(actor, ""),
                language="it",
                corpus="emozionalmente",
                votes=votes.get(name),
            )
        )
    if recordings:
        raise DataError(
            f"emozionalmente: {samples} does not list {len(recordings)} of the recordings, the "
            f"first is {min(recordings)}"
        )
    return sorted(clips, key=lambda clip: clip.file.name)


def _metadata(folder: Path) -> Path:
    """Return the folder of the tables: archives differ in the folder that they unpack to."""
    for place in (folder, folder / "emozionalmente", folder / "emozionalmente_dataset"):
        if (place / "metadata" / "samples.csv").is_file():
            return place / "metadata"
    raise DataError(f"emozionalmente: there is no metadata/samples.csv in {folder}")


def _votes(path: Path) -> dict[str, dict[str, float]]:
    """Return file name to the fraction of listeners that chose each emotion."""
    if not path.is_file():
        log.warning("emozionalmente: %s is missing; the votes of listeners stay unknown", path)
        return {}
    chosen: dict[str, Counter[str]] = {}
    for name, emotion in read_table(path, "file_name", "emotion_recognized"):
        chosen.setdefault(Path(name).name, Counter())[_emotion(emotion, path)] += 1
    return {
        name: {emotion: count / counts.total() for emotion, count in sorted(counts.items())}
        for name, counts in chosen.items()
    }


def _emotion(word: str, path: Path) -> str:
    if word not in EMOTIONS:
        raise DataError(f"{path}: unknown emotion {word!r}: expected one of {', '.join(EMOTIONS)}")
    return EMOTIONS[word]


EMOZIONALMENTE = Corpus(
    name="emozionalmente",
    title="Emozionalmente (crowd-sourced acted Italian)",
    language="it",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=431,
    clips=6902,
    licence="CC-BY-4.0",
    non_commercial=False,
    homepage="https://zenodo.org/records/12616095",
    downloads=(
        Download(
            url="https://zenodo.org/records/12616095/files/emozionalmente.zip",
            path="emozionalmente.zip",
            checksum="md5:398c6502dd2b0e1e810f927c12897547",
            archive=True,
        ),
    ),
    read=read,
)
