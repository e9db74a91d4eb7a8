"""Recurrent layers over both directions of time, which export at every length.

Torch's own exporter freezes the length of an LSTM and refuses a GRU. While a graph is exported, the
layer is therefore one operator of ours, ``affekt::recurrent``, which
:mod:`affekt.export.graph.onnx` writes as the LSTM or GRU of ONNX.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}
"""Cells by the name that options call them."""


@torch.library.custom_op("affekt::recurrent", mutates_args=())
def recurrent(x: Tensor, weights: list[Tensor], cell: str) -> Tensor:
    """One layer in both directions: ``[frames, batch, inputs] -> [frames, batch, 2 * hidden]``.

    Parameters
    ----------
    x : Tensor [frames, batch, inputs]
    weights : list of Tensor
        Of inputs, of the state, and their biases, forward and then backward, as torch lays them
        out.
    cell : str
        ``"lstm"`` or ``"gru"``.
    """
    start = x.new_zeros(2, x.shape[1], weights[1].shape[1])
    # has biases, one layer, no dropout, not training, in both directions, time comes first
    how = (True, 1, 0.0, False, True, False)
    if cell == "lstm":
        return torch.lstm(x, (start, start), weights, *how)[0]
    return torch.gru(x, start, weights, *how)[0]


@recurrent.register_fake
def _(x: Tensor, weights: list[Tensor], cell: str) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], 2 * weights[1].shape[1])


class Bidirectional(nn.Module):
    """One recurrent layer in both directions.

    Parameters
    ----------
    inputs : int
        Channels of a frame.
    hidden : int
        Channels of each direction.
    cell : str
        ``"lstm"`` or ``"gru"``.
    """

    def __init__(self, inputs: int, hidden: int, cell: str) -> None:
        super().__init__()
        self.cell = cell
        self.layer = CELLS[cell](inputs, hidden, bidirectional=True)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``[batch, inputs, frames] -> [batch, 2 * hidden, frames]``.

        With a mask, the way back begins at the last frame of each recording, not of the batch.
        """
        x = x.permute(2, 0, 1)  # [frames, batch, inputs]
        if torch.compiler.is_exporting():
            y: Tensor = torch.ops.affekt.recurrent(x, self.layer._flat_weights, self.cell)
        elif mask is None:
            y, _ = self.layer(x)
        else:
            lengths = mask[:, 0].sum(dim=1).long().cpu()
            packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
            y, _ = pad_packed_sequence(self.layer(packed)[0], total_length=x.shape[0])
        return y.permute(1, 2, 0)
