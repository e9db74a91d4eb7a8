"""Figures of others, to compare ours with; each with its source.

They are in ``benchmarks/anchors.toml``; ``docs/results.md`` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affekt.config import build, read_toml
from affekt.errors import ConfigError, DataError
from affekt.evaluation.protocols import PROTOCOLS

SCORES = ("UAR", "UA", "accuracy")
TITLES = {"ravdess": "RAVDESS", "emodb": "EMO-DB", "cremad": "CREMA-D"}


@dataclass(frozen=True)
class Anchor:
    """A published figure.

    Parameters
    ----------
    system : str
        What was measured.
    corpus : str
        ``"ravdess"``, ``"emodb"`` or ``"cremad"``.
    classes : int
    score : str
        One of `SCORES`; UA is another name of UAR.
    value : float
        Percent.
    source : str
        Who published it.
    url : str
        Where.
    protocol : str
        One of ours, if theirs is the same; else empty.
    fold : str
        The one that was measured, if not all of them.
    setting : str
        How theirs differs from the protocol, or from all of ours.
    sd : float, optional
        Standard deviation, in percent.
    remark : str
        What else was measured.
    parameters : int, optional
        Of the model.
    size : str
        In words, where the parameters are not known.
    latency : str
        Name of the measurement in ``benchmarks/latency.py`` that tells how long it takes.
    pretrained : bool
        Whether it starts from an encoder that has been trained on much other speech.
    listeners : bool
        Whether these are people.
    """

    system: str
    corpus: str
    classes: int
    score: str
    value: float
    source: str
    url: str = ""
    protocol: str = ""
    fold: str = ""
    setting: str = ""
    sd: float | None = None
    remark: str = ""
    parameters: int | None = None
    size: str = ""
    latency: str = ""
    pretrained: bool = False
    listeners: bool = False

    def __post_init__(self) -> None:
        what = f"the anchor {self.system!r} on {self.corpus}"
        if not self.system.strip():
            raise ConfigError("an anchor needs the name of its system")
        if not self.source.strip():
            raise ConfigError(f"{what} has no source: say who published it, or leave it out")
        if self.corpus not in TITLES:
            raise ConfigError(f"{what}: the corpus must be one of {', '.join(TITLES)}")
        if self.score not in SCORES:
            raise ConfigError(f"{what}: the score must be one of {', '.join(SCORES)}")
        if not 0 < self.value <= 100:
            raise ConfigError(f"{what}: the value is in percent, got {self.value:g}")
        if self.protocol and self.protocol not in PROTOCOLS:
            raise ConfigError(f"{what}: unknown protocol {self.protocol!r}")
        if not self.protocol and not self.setting:
            raise ConfigError(
                f"{what} needs a protocol, or a setting that says how it was measured"
            )
        if not self.protocol and not any(map(self.beside, PROTOCOLS)):
            raise ConfigError(f"{what}: no protocol has that corpus with {self.classes} classes")
        if self.parameters is not None and self.parameters < 1:
            raise ConfigError(f"{what}: parameters must be positive, got {self.parameters}")

    def same_as(self, protocol: str) -> bool:
        """Whether it was measured as a protocol says, so that it compares with our figures."""
        return self.protocol == protocol and not self.setting

    def beside(self, protocol: str) -> bool:
        """Whether it belongs into the picture of a protocol: the same corpus and classes."""
        ours = PROTOCOLS[protocol]
        return (self.corpus,) == ours.corpora and self.classes == len(ours.labels)


def read_anchors(path: Path) -> list[Anchor]:
    """Read anchors from TOML, in the order of the file.

    Raises
    ------
    DataError
        If the file is missing.
    ConfigError
        If it is not TOML, a key is unknown or missing, or an anchor is impossible: one without a
        source, say.
    """
    if not path.is_file():
        raise DataError(f"cannot read the anchors {path}: no such file")
    values = read_toml(path)
    rows = values.pop("anchor", None)
    if values or not isinstance(rows, list):
        raise ConfigError(f"{path} must hold tables [[anchor]] and nothing else")
    anchors = []
    for number, row in enumerate(rows, start=1):
        try:
            anchors.append(build(Anchor, row, "anchor"))
        except ConfigError as error:
            raise ConfigError(f"{path}, anchor {number}: {error}") from None
    return anchors
