"""What `predict` fuses with the voice: face units, words, or scores of another tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affekt.errors import AffektError, ConfigError, DataError
from affekt.results import Outcome, Prediction

if TYPE_CHECKING:
    from affekt.fusion import FaceModel
    from affekt.runtime import Model

TEXTS = (".txt", ".srt", ".vtt", ".json")
"""Of the files in a folder of texts."""

FaceOption = Annotated[
    Path | None,
    typer.Option(
        "--face",
        help="Face units of the recording (CSV of OpenFace or py-feat), a folder with NAME.csv for "
        "each, or JSON with the scores of another tool; fused with the voice.",
    ),
]
FaceModelOption = Annotated[
    Path | None,
    typer.Option("--face-model", help="What `affekt face` has made: it reads the face units."),
]
TextOption = Annotated[
    Path | None,
    typer.Option(
        "--text",
        help="What is said, in English (txt, srt, vtt, JSON of whisper), a folder with NAME.txt "
        "or the like for each, or JSON with scores of another tool; fused with the voice.",
    ),
]


@dataclass(frozen=True)
class Modalities:
    """The modalities beside the voice.

    Attributes
    ----------
    voice : str
        Name of the model of the voice.
    face : Path, optional
    face_model : FaceModel, optional
    text : Path, optional
    """

    voice: str
    face: Path | None
    face_model: FaceModel | None
    text: Path | None

    @classmethod
    def of(
        cls, model: Model, face: Path | None, face_model: Path | None, text: Path | None
    ) -> Modalities:
        """Read what does not depend on the recording.

        Raises
        ------
        ConfigError
            If there is a face model without face units.
        DataError
            If the face model cannot be read.
        """
        if face_model is None:
            return cls(model.config.name, face, None, text)
        if face is None:
            raise ConfigError("--face-model reads face units: give them with --face")
        from affekt.fusion import FaceModel

        return cls(model.config.name, face, FaceModel.load(face_model), text)

    def fused(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a recording with the other modalities in its answer."""
        answer = outcome.prediction
        if answer is None or (self.face is None and self.text is None):
            return outcome
        from affekt.fusion import fuse

        weights = {} if self.face_model is None else self.face_model.weights_for(self.voice)
        try:
            others = {}
            if self.face is not None:
                others["face"] = self._face(self.face, outcome.file, answer)
            if self.text is not None:
                others["text"] = _text(self.text, outcome.file)
            return replace(outcome, prediction=fuse({"voice": answer, **others}, weights))
        except AffektError as error:
            return Outcome(outcome.file, error=f"{outcome.file}: {error}")

    def _face(self, face: Path, recording: str, answer: Prediction) -> Mapping[str, float]:
        from affekt.fusion import read_face, read_scores
        from affekt.fusion.face import video_rate

        if face.suffix.lower() == ".json":
            return read_scores(face)
        table = read_face(face, recording)
        rate = video_rate(recording) if Path(recording).is_file() else None
        table.check(recording, answer.duration, rate)
        if self.face_model is not None:
            return self.face_model.predict(table)
        if not table.emotions:
            raise ConfigError(
                f"{table.path}: it holds face units alone: give a model of them with --face-model "
                "(affekt face makes one)"
            )
        return table.emotions


def _text(text: Path, recording: str) -> Mapping[str, float]:
    from affekt.fusion import read_scores, read_words, text_model
    from affekt.turns.speakers import parsed_json, read_text

    if text.is_dir():
        name = Path(recording).stem
        own = [one for one in (text / f"{name}{suffix}" for suffix in TEXTS) if one.is_file()]
        if len(own) != 1:
            kinds = ", ".join(f"{name}{suffix}" for suffix in TEXTS)
            raise DataError(f"{text}: it holds {len(own) or 'none'} of {kinds}: expected one")
        text = own[0]
    if text.suffix.lower() == ".json":
        told = parsed_json(read_text(text), text)
        if isinstance(told, dict) and "segments" not in told:
            return read_scores(text)
    words = read_words(text)
    try:
        return text_model().predict(words)
    except DataError as error:
        raise DataError(f"{text}: {error}") from None
