"""Score an exported model on clips that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from affekt.errors import AudioError, ConfigError, DataError
from affekt.evaluation.dimensions import Agreement, dimension_scores
from affekt.evaluation.groups import with_fairness
from affekt.evaluation.intensity import RankCorrelation, intensity_scores
from affekt.evaluation.metrics import FloatArray, IntArray, Metrics, evaluate
from affekt.evaluation.raters import with_raters
from affekt.evaluation.timeline import NO_SPEECH, Span, TimelineScores, score_timelines
from affekt.labels import canonical

if TYPE_CHECKING:
    from affekt.audio import AudioSource
    from affekt.data import Clip
    from affekt.results import Prediction
    from affekt.runtime import Model
    from affekt.runtime.config import ModelConfig
    from affekt.turns import Speakers, Turn

SPLITS = ("train", "validation", "test", "all")


@dataclass(frozen=True)
class Scored:
    """What a model answered for labelled clips.

    Attributes
    ----------
    metrics : Metrics
    probabilities : array [shape=(clips, classes)]
        Over the emotions that model and clips share.
    targets : array of int [shape=(clips,)]
    errors : mapping of str to str
        File to what was wrong with it; such clips are not scored.
    intensity : mapping of str to RankCorrelation
        How well the model says it, see :func:`~affekt.evaluation.intensity.intensity_scores`;
        empty where model or clips say nothing.
    dimensions : mapping of str to Agreement
        The same of valence, arousal and dominance.
    """

    metrics: Metrics
    probabilities: FloatArray
    targets: IntArray
    errors: Mapping[str, str]
    intensity: Mapping[str, RankCorrelation]
    dimensions: Mapping[str, Agreement]


def clips_of_split(config: ModelConfig, clips: Sequence[Clip], split: str) -> list[Clip]:
    """Return the clips that were in a split when the model was trained.

    Parameters
    ----------
    config : ModelConfig
        Names the speakers of each split.
    clips : sequence of Clip
    split : str
        ``"all"`` takes every clip. Of a corpus that the model never saw, every clip is a test.

    Raises
    ------
    ConfigError
        If there is no such split.
    DataError
        If no clip is in that split.
    """
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    speakers = config.raw.get("speakers") or {}
    known = {name: name_side for name_side, names in speakers.items() for name in names}
    corpora = {name.split("/")[0] for name in known if "/" in name}
    chosen = []
    for clip in clips:
        # Recordings of the user's own have no corpus: there the speaker alone decides.
        unheard = "test" if clip.corpus in corpora else clip.split or "test"
        if split in ("all", known.get(clip.speaker_id, unheard)):
            chosen.append(clip)
    if not chosen:
        raise DataError(f"the model has no clips of its {split} split there: try --split all")
    return chosen


def score_model(
    model: Model, clips: Sequence[Clip], advance: Callable[[float], None] | None = None
) -> Scored:
    """Let a model predict labelled clips and score its answers.

    Parameters
    ----------
    model : Model
    clips : sequence of Clip
        Clips with emotions that the model does not know are left out.
    advance : callable, optional
        Called with 1 after each clip.

    Raises
    ------
    DataError
        If model and clips share fewer than two emotions, or no clip can be read.
    """
    shared = [name for name in model.labels if name in {clip.emotion for clip in clips}]
    if len(shared) < 2:
        raise DataError(
            f"the model has {', '.join(model.labels)}; of these the data has only "
            f"{', '.join(shared) or 'none'}"
        )
    columns = [model.labels.index(name) for name in shared]
    wanted = [clip for clip in clips if clip.emotion in shared]
    scored, answers, errors = answers_for(model, wanted, advance)
    rows = [list(answer.scores.values()) for answer in answers]
    probabilities = np.asarray(rows)[:, columns]
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    targets = np.array([shared.index(clip.emotion) for clip in scored])
    speakers = [clip.speaker_id for clip in scored]
    metrics = evaluate(probabilities, targets, shared, speakers=speakers if all(speakers) else None)
    metrics = with_fairness(metrics, probabilities, targets, scored)
    metrics = with_raters(metrics, probabilities, scored)
    intensity = intensity_scores([answer.intensity for answer in answers], scored)
    dimensions = dimension_scores(answers, scored)
    return Scored(metrics, probabilities, targets, errors, intensity, dimensions)


def sound_of(clip: Clip) -> AudioSource:
    """The stretch of audio that a clip is."""
    if clip.start is None and clip.end is None:
        return clip.file
    from affekt.audio import decode

    try:
        samples, rate = decode(clip.file)
    except AudioError:
        return clip.file  # the model meets the same fault, and reports it with the others
    first = round((clip.start or 0.0) * rate)
    last = len(samples) if clip.end is None else round(clip.end * rate)
    return samples[first:last], rate


def answers_for(
    model: Model,
    clips: Sequence[Clip],
    advance: Callable[[float], None] | None = None,
    source: Callable[[Clip], AudioSource] = sound_of,
) -> tuple[list[Clip], list[Prediction], dict[str, str]]:
    """Return the clips that could be read, the answers for them, and the errors by file.

    `source` gives the sound of a clip.

    Raises
    ------
    DataError
        If no clip can be read.
    """
    scored, answers, errors = [], [], {}
    for clip, answer in zip(clips, model.predict_each(map(source, clips)), strict=True):
        if isinstance(answer, AudioError):
            errors[str(clip.file)] = str(answer)
        else:
            scored.append(clip)
            answers.append(answer)
        if advance:
            advance(1)
    if not scored:
        raise DataError(f"none of {len(clips)} clips can be scored: {next(iter(errors.values()))}")
    return scored, answers, errors


def score_truth(
    model: Model, truth: Speakers, advance: Callable[[float], None] | None = None
) -> tuple[dict[str, TimelineScores], dict[str, str]]:
    """Score the time lines of recordings whose emotions are known moment by moment.

    Parameters
    ----------
    model : Model
    truth : Speakers
        Turns with their emotions, by recording; ``music`` and ``noise`` say that nobody speaks.
    advance : callable, optional
        Called with 1 after each recording.

    Returns
    -------
    scores : dict of str to TimelineScores
        ``"found"``: the time line alone; ``"turns given"``: who speaks when was known, where the
        truth tells it.
    errors : dict of str to str
        Recording to what was wrong with it; such ones are not scored.

    Raises
    ------
    DataError
        If there are no turns, one has no emotion, or nothing can be scored.
    """
    if not truth.turns:
        raise DataError(f"{truth.path}: it tells of no turns: it needs times and emotions")
    ways: dict[str, list[tuple[list[Span], list[Span]]]] = {"found": [], "turns given": []}
    errors: dict[str, str] = {}
    for name, turns in truth.turns.items():
        known = [(one.start, one.end, _emotion_of(one, truth)) for one in turns]
        spoken = [one for one in turns if _emotion_of(one, truth) not in NO_SPEECH]
        try:
            source = truth.recording_of(name)
            for way, pairs in ways.items():
                if way == "found" or any(one.emotion and one.speaker for one in spoken):
                    given = None if way == "found" else spoken
                    line = model.timeline(source, turns=given)
                    pairs.append((known, [(one.start, one.end, one.label) for one in line]))
        except (AudioError, DataError) as error:
            errors[name] = str(error)
        if advance:
            advance(1)
    if not ways["found"]:
        raise DataError(f"no recording can be scored: {next(iter(errors.values()))}")
    return {
        way: score_timelines(pairs, model.labels) for way, pairs in ways.items() if pairs
    }, errors


def _emotion_of(turn: Turn, truth: Speakers) -> str:
    """Return the emotion of a turn; RTTM without speakers has it in their place."""
    emotion = turn.emotion or turn.speaker
    if not emotion:
        raise DataError(f"{truth.path}: the turn at {turn.start:g} s has no emotion")
    return canonical(emotion)
