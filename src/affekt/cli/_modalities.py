"""What `predict` fuses with the voice: face units, or scores of another tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affekt.errors import AffektError, ConfigError
from affekt.results import Outcome, Prediction

if TYPE_CHECKING:
    from affekt.fusion import FaceModel
    from affekt.runtime import Model

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


@dataclass(frozen=True)
class Modalities:
    """The modalities beside the voice.

    Attributes
    ----------
    voice : str
        Name of the model of the voice.
    face : Path, optional
    face_model : FaceModel, optional
    """

    voice: str
    face: Path | None
    face_model: FaceModel | None

    @classmethod
    def of(cls, model: Model, face: Path | None, face_model: Path | None) -> Modalities:
        """Read what does not depend on the recording.

        Raises
        ------
        ConfigError
            If there is a face model without face units.
        DataError
            If the face model cannot be read.
        """
        if face_model is None:
            return cls(model.config.name, face, None)
        if face is None:
            raise ConfigError("--face-model reads face units: give them with --face")
        from affekt.fusion import FaceModel

        return cls(model.config.name, face, FaceModel.load(face_model))

    def fused(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a recording with the other modalities in its answer."""
        answer = outcome.prediction
        if answer is None or self.face is None:
            return outcome
        from affekt.fusion import fuse

        weights = {} if self.face_model is None else self.face_model.weights_for(self.voice)
        try:
            others = {"face": self._face(outcome.file, answer)}
            return replace(outcome, prediction=fuse({"voice": answer, **others}, weights))
        except AffektError as error:
            return Outcome(outcome.file, error=f"{outcome.file}: {error}")

    def _face(self, recording: str, answer: Prediction) -> Mapping[str, float]:
        from affekt.fusion import read_face, read_scores
        from affekt.fusion.face import video_rate

        assert self.face is not None
        if self.face.suffix.lower() == ".json":
            return read_scores(self.face)
        table = read_face(self.face, recording)
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
