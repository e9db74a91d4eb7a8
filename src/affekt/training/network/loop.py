"""The training loop: plain, resumable at every step, deterministic by its seed."""

from __future__ import annotations

import copy
import csv
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from affekt.errors import ModelError
from affekt.files import atomic_path
from affekt.models import Network, checkpoint
from affekt.training.data.batches import Batch, Batches
from affekt.training.network.losses import log_prior, soft_cross_entropy
from affekt.training.network.processes import ProcessGroup, wait_for_all
from affekt.training.network.tasks import Tasks
from affekt.training.recipe.fingerprint import is_of_this_version
from affekt.training.recipe.schema import TrainingConfig

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Epoch:
    """One row of the history."""

    epoch: int
    step: int
    learning_rate: float
    loss: float
    validation_loss: float
    validation_uar: float
    seconds: float


class Reporter(Protocol):
    """Receives the progress of a run: the command line draws a bar, tests count."""

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        """A run begins at a step, of so many, after the epochs of an interrupted one."""

    def step(self, step: int, loss: float) -> None:
        """A step is done."""

    def epoch(self, row: Epoch) -> None:
        """An epoch is done."""


class Quiet:
    """The reporter without output."""

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        """Nothing."""

    def step(self, step: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, row: Epoch) -> None:
        """Nothing."""


Validate = Callable[[Network], tuple[float, float]]
"""Scores a network on the validation clips: loss in nats and UAR, both NaN without clips."""


class Trainer:
    """Fits a network to batches, saving as it goes.

    Parameters
    ----------
    network : Network
        Trained in place.
    batches : Batches
    config : TrainingConfig
    folder : Path
        Gets ``last.safetensors`` and ``best.safetensors``. Where the first one exists, the run
        continues from it.
    fingerprint : str
        Of recipe, data and seed; a checkpoint of another one is refused.
    validate : Validate
    """

    def __init__(
        self,
        network: Network,
        batches: Batches,
        config: TrainingConfig,
        folder: Path,
        fingerprint: str,
        validate: Validate,
        seed: int,
        reporter: Reporter | None = None,
    ) -> None:
        self.network = network
        self.batches = batches
        self.config = config
        self.folder = folder
        self.fingerprint = fingerprint
        self.validate = validate
        self.reporter = reporter or Quiet()
        self.device = next(network.parameters()).device
        self.group = ProcessGroup(self.device)
        self.precision = _precision(config.precision, self.device)
        self.average = WeightAverage(network, config.averaging)
        distil = batches.recipe.distil
        self.tasks = Tasks(
            batches.recipe.tasks,
            network,
            batches.identities,
            taught=batches.embeddings.shape[1],
            taught_weight=distil.embedding if distil else 0.0,
        ).to(self.device)
        self.optimizer = make_optimizer(network, self.tasks.parameters(), config)
        self.class_weights = (
            torch.from_numpy(batches.class_weights()).to(self.device)
            if config.class_weights
            else None
        )
        imbalance = batches.recipe.imbalance
        self.focal_gamma = imbalance.focal_gamma
        self.logit_shift = (
            log_prior(torch.from_numpy(batches.class_sizes()), imbalance.logit_adjustment).to(
                self.device
            )
            if imbalance.logit_adjustment
            else None
        )
        self.steps = config.epochs * batches.steps_per_epoch
        self.step = 0
        self.history: list[Epoch] = []
        self.best_epoch = -1
        self._loss_sum = 0.0
        self._seconds = 0.0
        learner: nn.Module = _Learner(network, self.tasks)
        if config.compile:
            learner = torch.compile(learner, dynamic=True)  # type: ignore[assignment]
        self.learner = self.group.joined(learner)
        self.seed = seed
        torch.manual_seed(seed + self.group.rank)

    def run(self) -> None:
        """Train to the end, from the last checkpoint if there is one.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C or SIGTERM, once the step is finished and saved.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = saved_state(self.folder, self.fingerprint)
        if saved:
            self._resume(*saved)
        if self.group.first:
            self.reporter.started(self.step, self.steps, self.history)
        with _stop_requests() as stop:
            self._saved_at = self._started_at = time.monotonic()
            while self.step < self.steps and not self._out_of_patience():
                self._epoch(stop)
        wait_for_all()  # until the first process has saved
        best = self.folder / (BEST if self.config.keep == "best" else LAST)
        tensors, _ = checkpoint.load(best)
        prefix = "" if self.config.keep == "best" else "average."
        self.network.load_state_dict(
            {
                name: tensors[prefix + name]
                for name in self.network.state_dict()  # best holds the averaged weights alone
            }
        )
        self.network.eval()

    def _epoch(self, stop: threading.Event) -> None:
        per_epoch = self.batches.steps_per_epoch
        epoch, first = divmod(self.step, per_epoch)
        self.network.train()
        for batch in self.batches.epoch(epoch, first):
            loss = self._step(self.group.share(batch).to(self.device))
            self._loss_sum += loss
            if self.group.first:
                self.reporter.step(self.step, loss)
            finished = self.step % per_epoch == 0
            due = time.monotonic() - self._saved_at > self.config.checkpoint_seconds
            stopping = self.group.any(stop.is_set())
            if not finished and (stopping or due):
                self._save()
                if stopping:
                    raise KeyboardInterrupt
        self._finish_epoch(epoch)
        if self.group.any(stop.is_set()) and self.step < self.steps:
            raise KeyboardInterrupt

    def _step(self, batch: Batch) -> float:
        set_learning_rate(self.optimizer, self._learning_rate())
        loss = self.loss(batch)
        if not torch.isfinite(loss):
            raise ModelError(
                f"the loss became {loss.item()} at step {self.step}: lower training.learning_rate"
            )
        self._learn(loss)
        self.step += 1
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar in nats: of the emotions, and of the tasks beside.

        Parameters
        ----------
        batch : Batch
            On the device of the network.
        """
        mixed = self.precision != torch.float32
        # Not every device has an autocast, not even one that is switched off.
        with torch.autocast(self.device.type, self.precision) if mixed else nullcontext():
            logits, beside = self.learner(
                batch.features, batch.lengths, batch.numbers, batch.identity, batch.embedding
            )
        loss = soft_cross_entropy(
            logits.float(),
            batch.targets,
            batch.allowed,
            self.class_weights,
            self.config.label_smoothing,
            focal_gamma=self.focal_gamma,
            logit_shift=self.logit_shift,
        )
        return torch.add(self.tasks.config.emotions * loss, beside)

    def _learn(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.average.update(self.network, self.step)

    def _learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warmup = max(1, round(self.config.warmup * self.steps))
        if self.step < warmup:
            return self.config.learning_rate * (self.step + 1) / warmup
        progress = (self.step - warmup) / max(1, self.steps - warmup)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))

    def _finish_epoch(self, epoch: int) -> None:
        scores = self.validate(self.average.network) if self.group.first else (math.nan, math.nan)
        loss, uar = self.group.from_first(scores)
        row = Epoch(
            epoch=epoch + 1,
            step=self.step,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            loss=self._loss_sum / self.batches.steps_per_epoch,
            validation_loss=loss,
            validation_uar=uar,
            seconds=round(self._elapsed(), 3),
        )
        self._loss_sum = 0.0
        best = max((r.validation_uar for r in self.history), default=-1.0)
        self.history.append(row)
        # Of equals the later one: the schedule has had more time to settle. Without
        # validation clips the figure is NaN, and every epoch replaces the one before.
        if not uar < best:
            self.best_epoch = row.epoch
            if self.group.first:
                checkpoint.save(
                    self.folder / BEST,
                    dict(self.average.network.state_dict()),
                    {"epoch": row.epoch, "validation_uar": None if math.isnan(uar) else uar},
                )
        self._save()
        if self.group.first:
            self.reporter.epoch(row)

    def _out_of_patience(self) -> bool:
        waited = len(self.history) - self.best_epoch if self.best_epoch > 0 else 0
        return 0 < self.config.patience <= waited

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._started_at

    def _save(self) -> None:
        tensors = checkpoint.training_tensors(self.network, self.average.network, self.optimizer)
        tensors |= {f"tasks.{name}": value for name, value in self.tasks.state_dict().items()}
        metadata: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "step": self.step,
            "loss_sum": self._loss_sum,
            "best_epoch": self.best_epoch,
            "seconds": self._elapsed(),
            "history": [asdict(row) for row in self.history],
        }
        if self.group.first:
            checkpoint.save(self.folder / LAST, tensors, metadata)
        self._saved_at = time.monotonic()

    def _resume(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        checkpoint.restore(tensors, self.network, self.average.network, self.optimizer)
        self.tasks.load_state_dict(checkpoint.under(tensors, "tasks."))
        names = {f.name for f in fields(Epoch)}
        self.history = [
            Epoch(**{name: value for name, value in row.items() if name in names})
            for row in metadata["history"]
        ]
        self.step, self.best_epoch = metadata["step"], metadata["best_epoch"]
        self._loss_sum, self._seconds = metadata["loss_sum"], metadata["seconds"]
        if not self.group.first:  # the state that was saved is the first process's
            torch.manual_seed(self.seed + self.group.rank + self.steps * self.step)


class _Learner(nn.Module):
    """What a step computes, as one module, because wrappers take modules alone."""

    def __init__(self, network: Network, tasks: Tasks) -> None:
        super().__init__()
        self.network, self.tasks = network, tasks

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor,
        numbers: Tensor,
        identity: Tensor,
        taught: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Logits ``[batch, classes]``, and the loss of the tasks beside the emotions."""
        network, masked = self.network, self.tasks.masked
        features, mask = network.standardised(inputs, lengths)
        shown, hidden = masked.hide(features) if masked else (features, None)
        frames = network.encode(shown, mask)
        embedding = network.pool(frames, mask)
        beside: Tensor = self.tasks(network, embedding, numbers, identity, taught)
        if masked and hidden is not None and mask is not None:
            guessed = masked(frames, features, hidden & (mask > 0))
            beside = beside + self.tasks.config.masked * guessed
        return network.head(embedding), beside


def saved_state(folder: Path, fingerprint: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the tensors and metadata of the run in a folder, None if there is none.

    Raises
    ------
    ModelError
        If the checkpoint is damaged, or of another recipe, data or seed.
    """
    if not (folder / LAST).exists():
        return None
    tensors, metadata = checkpoint.load(folder / LAST)
    own = str(metadata.get("fingerprint", ""))
    if own != fingerprint:
        what = "another recipe, data or seed"
        if not is_of_this_version(own):
            what = "another version of affekt"
        raise ModelError(
            f"{folder} holds a run of {what}: choose another --out, or delete it to start again"
        )
    return tensors, metadata


def _precision(wanted: str, device: torch.device) -> torch.dtype:
    """bfloat16 where it is chosen or multiplied in hardware, else float32."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        able = torch.cpu.get_capabilities()
        fast = bool(able.get("amx_bf16", False) or able.get("avx512_bf16", False))
    return torch.bfloat16 if fast else torch.float32


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event, so that a step can finish; the second
    one stops at once. Signals reach only the main thread; elsewhere the event never comes."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- averaging ---


class WeightAverage:
    """A second copy of a network that trails the first one smoothly.

    Averaging the path of the weights gives a wider and better minimum than its last point
    (Izmailov et al., 2018), which matters most where data is scarce.

    Parameters
    ----------
    network : Network
        The network being trained.
    decay : float
        Share of the average kept at each step; while there are few steps, less.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Move the average towards the network after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (step + 1) / (step + 10)) if self.decay else 0.0
        current = network.state_dict()
        fixed = {name for name, p in network.named_parameters() if not p.requires_grad}
        for name, average in self.network.state_dict().items():
            if name in fixed:  # the same in both, and in a frozen encoder by far the most
                continue
            if average.dtype.is_floating_point:
                average.lerp_(current[name], 1 - decay)
            else:
                average.copy_(current[name])


# --- optimizer ---


SLOWDOWN = "slowdown"
"""Key of a group of parameters: by what its learning rate is divided."""


def make_optimizer(
    network: Network, others: Iterable[nn.Parameter], config: TrainingConfig
) -> torch.optim.AdamW:
    """AdamW that decays weights, but not biases and norms.

    Parameters
    ----------
    network : Network
        Those of its parameters that its encoder calls slow have groups of their own.
    others : iterable of nn.Parameter
        Of what is trained beside it.
    config : TrainingConfig
    """
    slow, slowdown = network.encoder.slow_parameters()
    before = {id(parameter) for parameter in slow}
    everything = [p for p in (*network.parameters(), *others) if p.requires_grad]
    groups = _groups([p for p in everything if id(p) not in before], config.weight_decay, 1.0)
    tuned = [p for p in everything if id(p) in before]
    if tuned:
        groups += _groups(tuned, config.weight_decay, slowdown)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of what is new, and with it that of the rest."""
    for group in optimizer.param_groups:
        group["lr"] = rate / group[SLOWDOWN]


def _groups(
    parameters: list[nn.Parameter], weight_decay: float, slowdown: float
) -> list[dict[str, object]]:
    return [
        {
            "params": [p for p in parameters if p.ndim > 1],
            "weight_decay": weight_decay,
            SLOWDOWN: slowdown,
        },
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, SLOWDOWN: slowdown},
    ]


# --- history ---


class HistoryWriter:
    """Writes what a run reports into its folder and passes it on.

    Parameters
    ----------
    folder : Path
        Gets ``history.csv`` and ``tensorboard/``.
    listener : Reporter
        Receives the same calls, e.g. a progress bar.
    """

    def __init__(self, folder: Path, listener: Reporter) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.listener = listener
        self.rows: list[Epoch] = []
        self._new_writer = SummaryWriter
        self._writer: SummaryWriter | None = None

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        """Continue after the epochs that are done; scalars of a killed attempt are dropped."""
        self.rows = list(history)
        if self.rows:  # the attempt may have been killed before it wrote its last row
            _write_history(self.rows, self.folder / "history.csv")
        # Scalars from purge_step on are dropped; that of first_step itself is saved and stays.
        self._writer = self._new_writer(
            str(self.folder / "tensorboard"), purge_step=first_step + 1, flush_secs=10
        )
        self.listener.started(first_step, steps, history)

    def step(self, step: int, loss: float) -> None:
        """Add the loss of a step."""
        if self._writer:
            self._writer.add_scalar("loss/step", loss, step)
        self.listener.step(step, loss)

    def epoch(self, row: Epoch) -> None:
        """Add an epoch to the table and the scalars."""
        self.rows.append(row)
        if self._writer:
            for name in ("loss", "validation_loss", "validation_uar", "learning_rate"):
                value = getattr(row, name)
                if not math.isnan(value):
                    self._writer.add_scalar(f"epoch/{name}", value, row.step)
            self._writer.flush()
        _write_history(self.rows, self.folder / "history.csv")
        self.listener.epoch(row)

    def close(self) -> None:
        """Finish the files."""
        if self._writer:
            self._writer.close()
        if self.rows:
            _draw_curves(self.rows, self.folder / "curves.png")


def _write_history(rows: Sequence[Epoch], path: Path) -> None:
    """Write one line per epoch as CSV."""
    with atomic_path(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Epoch)])
        writer.writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in astuple(row)]
            for row in rows
        )


def _highest_shown(rows: Sequence[Epoch]) -> float:
    """Return where the axis of the losses ends, such that the first epoch may lie above it."""
    later = rows[1:] if len(rows) > 2 else rows
    known = [x for row in later for x in (row.loss, row.validation_loss) if math.isfinite(x)]
    return 1.1 * max(known, default=math.nan)


def _draw_curves(rows: Sequence[Epoch], path: Path) -> None:
    """Draw loss and validation UAR over the epochs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    epochs = [row.epoch for row in rows]
    losses.plot(epochs, [row.loss for row in rows], label="training (augmented)", color="#0072b2")
    losses.plot(epochs, [row.validation_loss for row in rows], label="validation", color="#d55e00")
    highest = _highest_shown(rows)
    if math.isfinite(highest):  # the losses before anything is learned may be far above all others
        losses.set_ylim(top=highest)
    losses.set(xlabel="epoch", ylabel="cross entropy in nats")
    losses.legend(frameon=False)
    uar = [100 * row.validation_uar for row in rows]
    scores.plot(epochs, uar, color="#d55e00")
    if not all(math.isnan(value) for value in uar):
        best = max(range(len(uar)), key=lambda index: (uar[index], index))
        scores.plot(epochs[best], uar[best], "o", color="#d55e00")
        scores.annotate(
            f"{uar[best]:.1f} %",
            (epochs[best], uar[best]),
            (0, 6),
            textcoords="offset points",
            ha="right",
        )
    scores.set(xlabel="epoch", ylabel="validation UAR in %")
    for axes in (losses, scores):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=150)
