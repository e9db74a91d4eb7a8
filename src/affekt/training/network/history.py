"""The history of a run as ``history.csv``, TensorBoard scalars, and a picture of the curves."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from affekt.files import atomic_path
from affekt.training.network.loop import Epoch, Reporter


class HistoryWriter:
    """Writes what a run reports into its folder and passes it on.

    Parameters
    ----------
    folder : Path
        Gets ``history.csv`` and ``tensorboard/``.
    listener : Reporter
        Hears everything too, e.g. a progress bar.
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
            write_history(self.rows, self.folder / "history.csv")
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
        write_history(self.rows, self.folder / "history.csv")
        self.listener.epoch(row)

    def close(self) -> None:
        """Finish the files."""
        if self._writer:
            self._writer.close()
        if self.rows:
            draw_curves(self.rows, self.folder / "curves.png")


def write_history(rows: Sequence[Epoch], path: Path) -> None:
    """Write one line per epoch as CSV."""
    with atomic_path(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Epoch)])
        writer.writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in astuple(row)]
            for row in rows
        )


def draw_curves(rows: Sequence[Epoch], path: Path) -> None:
    """Draw loss and validation UAR over the epochs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    epochs = [row.epoch for row in rows]
    losses.plot(epochs, [row.loss for row in rows], label="training (augmented)", color="#0072b2")
    losses.plot(epochs, [row.validation_loss for row in rows], label="validation", color="#d55e00")
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
