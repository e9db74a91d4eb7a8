"""Indian EmoSpeech Command Dataset: one-word commands by phone, in English and Hindi.

Gokhale et al., arXiv 1910.13801. Files are named ``help-safe-angry-1563042812989-04e3...``:
keyword, environment, emotion, time, hash of the user. One hash (`ANONYMOUS`) stands for every user
that is not known: its clips have no speaker.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = ("angry", "calm", "fearful", "happy")
ANONYMOUS = "d14a028c"

_NAME = re.compile(r"(\w+)-(\w+)-(\w*)-(.*)-([0-9a-f]{8})[0-9a-f]{40,}")


def read(folder: Path) -> list[Clip]:
    """Read all clips with an emotion, in the makers' or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        clips = read_compact(folder, "indian_emospeech")
        return [_with_word(clip, clip.file.stem.split("-")[0]) for clip in clips]
    files = one_per_name(audio_files(folder), "indian_emospeech")
    shown = "keyword-environment-emotion-time-user"
    return read_names("indian_emospeech", files, _NAME, _clip, shown)


def _clip(file: Path, match: re.Match[str]) -> Clip | None:
    word, environment, emotion, _, user = match.groups()
    if emotion not in EMOTIONS:
        return None
    clip = Clip(
        file=file,
        emotion=emotion,
        speaker=user,
        corpus="indian_emospeech",
        intensity="scream" if environment == "scream" else "",
    )
    return _with_word(clip, word)


def _with_word(clip: Clip, word: str) -> Clip:
    """Name the language of the word, and no speaker where it is unknown."""
    speaker = "" if clip.speaker in (ANONYMOUS, "unknown") else clip.speaker
    return replace(clip, speaker=speaker, language="hi" if word == "bacho" else "en")


INDIAN_EMOSPEECH = Corpus(
    name="indian_emospeech",
    title="Indian EmoSpeech Command Dataset",
    language="en, hi",
    emotions=EMOTIONS,
    speakers=106,
    clips=7577,
    licence="CC-BY-NC-SA-4.0",
    non_commercial=True,
    homepage="https://github.com/RakshakTeam/emospeech-dataset-v1",
    downloads=(),
    read=read,
)
