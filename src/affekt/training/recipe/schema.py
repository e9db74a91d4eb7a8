"""Recipes: one experiment as a TOML file that holds only what differs from the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from affekt.augment import (
    Babble,
    BandLimit,
    ChannelTilt,
    Compose,
    CutMix,
    Mixup,
    MovingNoise,
    NoiseFloor,
    SpecAugment,
    Warp,
    chain,
)
from affekt.config import (
    build,
    to_dict,
)
from affekt.errors import ConfigError
from affekt.labels import canonical
from affekt.models.frontend import FrontendConfig
from affekt.models.registry import ARCHITECTURES
from affekt.training.recipe.classical import ClassicalConfig
from affekt.training.recipe.imbalance import ImbalanceConfig
from affekt.training.recipe.tasks import TasksConfig


@dataclass(frozen=True)
class DistilConfig:
    """Knowledge distillation: teachers and weights.

    Parameters
    ----------
    teachers : tuple of str
        Model directories; the student learns the mean of their probabilities. Empty: none.
    weight : float
        Share of the teachers in the targets, from 0 to 1; the labels have the rest.
    temperature : float
        Divisor of the teachers' logits; above 1, their less likely emotions count more.
    embedding : float
        Weight of the regression on the teachers' embeddings (Romero et al., "FitNets", 2015).
    """

    teachers: tuple[str, ...] = ()
    weight: float = 0.7
    temperature: float = 2.0
    embedding: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"distil.weight must be in [0, 1], got {self.weight:g}")
        if self.temperature <= 0:
            raise ConfigError(f"distil.temperature must be positive, got {self.temperature:g}")
        if not 0 <= self.embedding < float("inf"):
            raise ConfigError(f"distil.embedding must be 0 or more, got {self.embedding:g}")


@dataclass(frozen=True)
class LinearConfig:
    """A linear classifier on an encoder that stays as it is, in place of ``[training]``.

    Parameters
    ----------
    l2 : float
        Weight of the squared norm of the classifier's weights, relative to the mean loss.
    shrinkage : float
        Share of the mean variance that is added to each direction before whitening within
        emotions; 0 whitens fully, large values hardly.
    centred : float
        Share of the loss, from 0 to 1, of clips with their speaker's mean taken out.
    calibration : str
        ``"speakers"`` fits the confidence on validation speakers; ``"corpora"`` also, with equal
        weight, on each training corpus by a classifier fitted without it (two corpora or more).
    """

    l2: float = 1.0
    shrinkage: float = 1.0
    centred: float = 0.5
    calibration: str = "speakers"

    def __post_init__(self) -> None:
        if not 0 < self.l2 < float("inf"):
            raise ConfigError(f"linear.l2 must be positive, got {self.l2:g}")
        if not 0 < self.shrinkage < float("inf"):
            raise ConfigError(f"linear.shrinkage must be positive, got {self.shrinkage:g}")
        if not 0 <= self.centred <= 1:
            raise ConfigError(f"linear.centred must be in [0, 1], got {self.centred:g}")
        if self.calibration not in ("speakers", "corpora"):
            raise ConfigError(
                f"linear.calibration must be 'speakers' or 'corpora', got {self.calibration!r}"
            )


@dataclass(frozen=True)
class DataConfig:
    """What is learned from.

    Parameters
    ----------
    sources : tuple of str
        Corpora by name, CSV manifests, or folders with one sub-folder per emotion. Ignored by a
        benchmark.
    extra : tuple of str
        Further corpora for training alone.
    labels : tuple of str
        Emotions to learn; clips of others are left out. Empty: all that occur.
    rename : dict
        Label of the data to the label to learn, e.g. ``{calm = "neutral"}``. Synonyms are resolved
        before (`affekt.labels.canonical`).
    weights : dict
        Corpus name to how often its clips are drawn, relative to 1.
    validation, test : float
        Shares of the speakers held out, where the source has no split.
    split_seed : int
        Seed of that choice of speakers.
    protocol : str
        Take the split of the protocol's corpus from its first fold.
    """

    sources: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    rename: dict[str, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    protocol: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(sorted(canonical(name) for name in self.labels)))
        renamed = {canonical(old): canonical(new) for old, new in self.rename.items()}
        object.__setattr__(self, "rename", renamed)
        for name, weight in self.weights.items():
            if weight <= 0:
                raise ConfigError(f"data.weights.{name} must be a positive number, got {weight!r}")


@dataclass(frozen=True)
class ModelRecipe:
    """The network: an architecture of the registry, its options, pooling and frontend.

    Parameters
    ----------
    architecture : str
        Name of the encoder, e.g. ``"cnn"``.
    options : dict
        Options of the architecture.
    pooling : str
        ``"statistics"``: mean and deviation over time; or ``"attention"``: frames are weighted
        first.
    head_dropout : float
        Share of the embedding dropped before the last layer while training.
    """

    architecture: str = "cnn"
    options: dict[str, Any] = field(default_factory=dict)
    pooling: str = "statistics"
    head_dropout: float = 0.4
    frontend: FrontendConfig = field(default_factory=FrontendConfig)


@dataclass(frozen=True)
class TrainingConfig:
    """How it is learned.

    Parameters
    ----------
    epochs : int
        Passes over the data; the schedule is laid over all of them.
    batch_size : int
        Clips per step.
    learning_rate : float
        Peak of the schedule: linear warm-up, then a half cosine down to zero.
    warmup : float
        Share of all steps spent warming up.
    weight_decay : float
        Decoupled L2 (AdamW), on weights but not on biases and norms.
    gradient_clip : float
        Largest norm of the gradient.
    label_smoothing : float
        Probability spread evenly over the labels of the clip's corpus.
    class_weights : bool
        Weight the loss by inverse class frequency.
    averaging : float
        Decay per step of the exponential moving average of the weights, which are validated and
        kept; 0 turns it off.
    crop : float
        Longest part of a clip in one step, in seconds.
    speeds : tuple of float
        Each epoch draws one of these playback speeds for every clip.
    clips_per_epoch : int
        Clips drawn per epoch; 0 is as many as there are.
    keep : str
        ``"best"`` by validation UAR (the later one of equals), or ``"last"``.
    patience : int
        Stop after this many epochs with a lower validation UAR than the best; 0 never does.
    precision : str
        ``"auto"`` (bfloat16 where hardware multiplies it), ``"float32"`` or ``"bfloat16"``.
    checkpoint_seconds : float
        Save at least this often, besides after every epoch.
    device : str
        ``"auto"`` is a GPU where there is one; ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``
        decide.
    compile : bool
        Compile the network with ``torch.compile``: a minute at the start, faster steps on a GPU.
    """

    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    gradient_clip: float = 5.0
    label_smoothing: float = 0.1
    class_weights: bool = True
    averaging: float = 0.995
    crop: float = 3.0
    speeds: tuple[float, ...] = (1.0, 0.9, 1.1)
    clips_per_epoch: int = 0
    keep: str = "best"
    patience: int = 0
    precision: str = "auto"
    checkpoint_seconds: float = 60.0
    device: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "gradient_clip", "crop"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"training.{name} must be positive, got {getattr(self, name)}")
        for name in ("weight_decay", "clips_per_epoch", "patience", "checkpoint_seconds"):
            if getattr(self, name) < 0:
                raise ConfigError(f"training.{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("warmup", "label_smoothing", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"training.{name} must be in [0, 1), got {getattr(self, name)}")
        if self.batch_size < 2:
            raise ConfigError("training.batch_size must be at least 2: norms need a batch")
        if not self.speeds or not all(0.5 <= speed <= 2 for speed in self.speeds):
            raise ConfigError(f"training.speeds must lie in 0.5..2, got {self.speeds}")
        if self.keep not in ("best", "last"):
            raise ConfigError(f"training.keep must be 'best' or 'last', got {self.keep!r}")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ConfigError(
                f"training.precision must be auto, float32 or bfloat16, got {self.precision!r}"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Which augmentations training goes through; leave a table out for its defaults.

    Parameters
    ----------
    enabled : bool
        False turns all of them off.
    variants : int
        Augmented versions of each clip, made by ``waveform`` before training; each step draws one.
        0 takes the recordings themselves.
    waveform : tuple of dict
        Transforms of the waveform, in order: ``name``, ``probability`` and options of each.
    relevel : bool
        Divide by the level again after noise and band limits, as the frontend does.
    warp, band_limit, babble, moving_noise, noise_floor, channel_tilt, spec_augment, mixup, cutmix
        What every batch of features goes through anew; of waveforms, the last two alone.
    """

    enabled: bool = True
    variants: int = 0
    relevel: bool = False
    waveform: tuple[dict[str, Any], ...] = ()
    warp: Warp = field(default_factory=Warp)
    band_limit: BandLimit = field(default_factory=BandLimit)
    babble: Babble = field(default_factory=Babble)
    moving_noise: MovingNoise = field(default_factory=MovingNoise)
    noise_floor: NoiseFloor = field(default_factory=NoiseFloor)
    channel_tilt: ChannelTilt = field(default_factory=ChannelTilt)
    spec_augment: SpecAugment = field(default_factory=SpecAugment)
    mixup: Mixup = field(default_factory=Mixup)
    cutmix: CutMix = field(default_factory=CutMix)

    def __post_init__(self) -> None:
        if self.variants < 0:
            raise ConfigError(f"augment.variants must be 0 or more, got {self.variants}")
        if self.waveform and not self.variants:
            raise ConfigError("augment.waveform needs augment.variants: set it to 3, for example")
        if self.variants and not self.waveform:
            raise ConfigError("augment.variants needs [[augment.waveform]]: what should vary?")
        _ = self.waveform_chain  # refuses what it does not know

    @cached_property
    def waveform_chain(self) -> Compose:
        """The transforms of the waveform, ready to be called."""
        return chain(self.waveform, "augment.waveform")


FOR_WAVEFORMS = ("enabled", "variants", "waveform", "mixup", "cutmix")
"""What of ``[augment]`` also serves models that take waveforms; the rest works on mel power."""
_DEFAULTS = AugmentConfig()


@dataclass(frozen=True)
class EnsembleConfig:
    """Networks that answer together: the mean of their probabilities.

    Parameters
    ----------
    members : tuple of Recipe
        Names or paths of their recipes.
    seeds : int
        How many of each are trained.
    """

    members: tuple[Recipe, ...] = ()
    seeds: int = 1

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"ensemble.seeds must be 1 or more, got {self.seeds}")
        if len(self.members) * self.seeds < 2:
            raise ConfigError("ensemble.members: name two recipes or more, or set ensemble.seeds")
        if any(member.ensemble for member in self.members):
            raise ConfigError("ensemble.members: an ensemble cannot be a member of another")
        names = [member.name for member in self.members]
        if len(set(names)) < len(names):
            raise ConfigError("ensemble.members: two of them have the same name")


@dataclass(frozen=True)
class Recipe:
    """One experiment.

    In TOML, ``extends`` names another recipe, whose tables this one changes key by key; lists and
    tables with free keys (``model.options``, ``data.weights``) are replaced as a whole. A recipe
    with ``ensemble`` trains nothing of its own, one with ``classical`` no network.

    Parameters
    ----------
    name : str
        Name of the model and of its results; by default that of the file.
    description : str
        One line on what it trains.
    pretrain : Recipe
        Name or path of the recipe whose weights this one starts from.
    taught_by : Recipe
        Name or path of the recipe of the teacher that a benchmark trains on the same clips first.
    """

    name: str = ""
    description: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    imbalance: ImbalanceConfig = field(default_factory=ImbalanceConfig)
    distil: DistilConfig | None = None
    tasks: TasksConfig = field(default_factory=TasksConfig)
    linear: LinearConfig | None = None
    classical: ClassicalConfig | None = None
    pretrain: Recipe | None = None
    taught_by: Recipe | None = None
    ensemble: EnsembleConfig | None = None

    def __post_init__(self) -> None:
        if self.pretrain and (self.classical or self.pretrain.classical):
            raise ConfigError("pretrain needs networks: leave out [classical]")
        if self.pretrain and self.pretrain.ensemble:
            raise ConfigError("pretrain needs one network")
        if self.pretrain and self.pretrain.model != self.model:
            raise ConfigError("pretrain: give both recipes the same [model]")
        if self.taught_by:
            if self.distil and self.distil.teachers:
                raise ConfigError("taught_by and distil.teachers both name teachers: choose one")
            team = self.taught_by.ensemble
            for one in team.members if team else (self.taught_by,):
                if one.classical or one.taught_by:
                    raise ConfigError(
                        f"taught_by: {one.name} is no network trained on labels alone"
                    )
        if self.linear and self.pretrain:
            raise ConfigError("[linear] learns nothing below its classifier: leave out pretrain")
        if self.training.class_weights and self.imbalance.logit_adjustment:
            raise ConfigError(
                "training.class_weights and imbalance.logit_adjustment would even out the classes "
                "twice: set training.class_weights = false"
            )

        if not self.model.frontend.spectral and self.augment.enabled:
            self._refuse_spectral_augmentation()

    def _refuse_spectral_augmentation(self) -> None:
        """What a recipe asks for should happen; the defaults are passed over without a word."""
        for name in (each.name for each in fields(AugmentConfig)):
            if name in FOR_WAVEFORMS or getattr(self.augment, name) == getattr(_DEFAULTS, name):
                continue
            raise ConfigError(
                f"augment.{name} works on mel power, and this model takes waveforms: leave it "
                f"out, or augment with [[augment.waveform]]"
            )

    @property
    def extra_data(self) -> tuple[str, ...]:
        """What it learns from besides the corpus at hand: other corpora, and what an encoder was.

        A checkpoint is called by its name.
        """
        if self.ensemble:
            borrowed = (name for member in self.ensemble.members for name in member.extra_data)
            return tuple(dict.fromkeys(borrowed))
        before = self.pretrain.data.sources + self.pretrain.extra_data if self.pretrain else ()
        taught = self.taught_by.extra_data if self.taught_by else ()
        checkpoint = Path(self.model.options.get("checkpoint", ""))
        checkpoint_data = (checkpoint.name if checkpoint.is_dir() else checkpoint.as_posix(),)
        own = checkpoint_data if checkpoint.parts else ()
        return tuple(dict.fromkeys(self.data.extra + before + taught + own))


def on_device(recipe: Recipe, device: str) -> Recipe:
    """The same experiment on another device, what it starts from included."""
    before, teacher = (
        on_device(other, device) if other else None for other in (recipe.pretrain, recipe.taught_by)
    )
    team = recipe.ensemble
    if team:
        members = tuple(on_device(member, device) for member in team.members)
        team = replace(team, members=members)
    training = replace(recipe.training, device=device)
    return replace(recipe, training=training, pretrain=before, taught_by=teacher, ensemble=team)


REFERENCES = ("pretrain", "taught_by")
"""Keys of a recipe that hold another one, which a file names."""


def effective_values(recipe: Recipe) -> dict[str, Any]:
    """Every key of a recipe with the value that it takes, ready for JSON.

    Options of the network and of the classifier that the recipe leaves out have their defaults.
    """
    values = to_dict(recipe)
    architecture = ARCHITECTURES.get(recipe.model.architecture)
    if architecture:
        where = f"model.{recipe.model.architecture}"
        options = build(architecture.options, recipe.model.options, where)
        values["model"]["options"] = to_dict(options)
    if recipe.classical:
        values["classical"]["options"] = to_dict(recipe.classical.chosen())
    for key in REFERENCES:
        other = getattr(recipe, key)
        values[key] = effective_values(other) if other else None
    if recipe.ensemble:
        values["ensemble"]["members"] = [effective_values(one) for one in recipe.ensemble.members]
    return values
