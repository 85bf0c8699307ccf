"""A recurrent network learns to count: it reads bits one after the other and says how many of them were ones.

python -m examples.counting_lstm
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf

__all__ = ["Model", "build", "learn", "sequences"]


@dataclass(frozen=True)
class Model:
    """The graph: bits float32[batch, time, 1], their lengths and counts int64[batch], and what is run."""

    graph: gf.Graph
    bits: gf.Tensor
    lengths: gf.Tensor
    counts: gf.Tensor
    loss: gf.Tensor
    correct: gf.Tensor
    train: gf.Operation
    init: gf.Operation


def sequences(rng: np.random.Generator, n: int, longest: int) -> tuple[Any, Any, Any]:
    """Random bits, padded with ones that must not be counted; their lengths; how many of them are ones."""
    lengths = rng.integers(1, longest + 1, n)
    bits = rng.integers(0, 2, (n, longest))
    bits[np.arange(longest) >= lengths[:, None]] = 1
    counts = np.array([row[:length].sum() for row, length in zip(bits, lengths, strict=True)])
    return bits[..., None].astype(np.float32), lengths, counts


def build(units: int = 12, learning_rate: float = 0.01) -> Model:
    with gf.Graph().as_default() as graph:
        bits = gf.placeholder(gf.float32, ["batch", "time", 1], name="bits")
        lengths = gf.placeholder(gf.int64, ["batch"], name="lengths")
        counts = gf.placeholder(gf.int64, ["batch"], name="counts")
        cell = gf.nn.rnn_cell.LSTMCell(units)
        _, state = gf.nn.dynamic_rnn(cell, bits, sequence_length=lengths, dtype=gf.float32)
        count = gf.squeeze(gf.layers.dense(state.c, 1, name="count"), axis=1)
        loss = gf.losses.mean_squared_error(gf.cast(counts, gf.float32), count)
        correct = gf.mean(gf.cast(gf.equal(gf.cast(gf.round(count), gf.int64), counts), gf.float32))
        optimizer = gf.train.AdamOptimizer(learning_rate)
        gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
        clipped, _ = gf.clip_by_global_norm(gradients, 1.0)
        train = optimizer.apply_gradients(zip(clipped, variables, strict=True))
        init = gf.global_variables_initializer()
    return Model(graph, bits, lengths, counts, loss, correct, train, init)


def learn(model: Model, n_steps: int = 300, seed: int = 0) -> Iterator[tuple[int, float, float, float]]:
    """Train on sequences of up to 12 bits; now and then gives (step, loss, and the share of right counts: of new
    sequences as long as those, and of sequences twice as long)."""
    rng = np.random.default_rng(seed)
    known, longer = sequences(rng, 500, 12), sequences(rng, 500, 24)
    fed = [model.bits, model.lengths, model.counts]
    with gf.Session(model.graph) as session:
        session.run(model.init)
        step = session.make_callable([model.loss, model.train], fed)
        check = session.make_callable(model.correct, fed)
        for number in range(1, n_steps + 1):
            loss, _ = step(*sequences(rng, 64, 12))
            if number % 100 == 0:
                yield number, float(loss), float(check(*known)), float(check(*longer))


def main() -> None:
    for step, loss, known, longer in learn(build()):
        print(
            f"step {step:4}   loss {loss:.4f}   right: {known:.0%} up to 12 bits, {longer:.0%} up to 24 bits"
        )


if __name__ == "__main__":
    main()
