"""`gf.nn.rnn_cell`: the cells of recurrent networks."""

from __future__ import annotations

from graphflow.ops.recurrent import LSTMStateTuple
from graphflow.rnn.cell import RNNCell
from graphflow.rnn.cells import BasicRNNCell, GRUCell
from graphflow.rnn.lstm_cells import BasicLSTMCell, LSTMCell
from graphflow.rnn.wrappers import DeviceWrapper, DropoutWrapper, MultiRNNCell, ResidualWrapper

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "DeviceWrapper",
    "DropoutWrapper",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
    "ResidualWrapper",
]
