"""Handwritten digits, 8 x 8 pixels each: a softmax regression and a small network, measured on images not seen in training.

python -m examples.digits
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import graphflow as gf

__all__ = ["Data", "Epoch", "Model", "build", "learn", "load"]


class Data(NamedTuple):
    """Images float32[n, 64] in [0, 1] and their digits int64[n], for training and for testing."""

    x_train: Any
    y_train: Any
    x_test: Any
    y_test: Any


class Epoch(NamedTuple):
    """After one epoch: the mean training loss, the accuracy on the test images, the learned arrays."""

    loss: float
    accuracy: float
    parameters: list[Any]


@dataclass(frozen=True)
class Model:
    """The graph: what is fed (x, y), what is run (loss, accuracy, train, init)."""

    graph: gf.Graph
    x: gf.Tensor
    y: gf.Tensor
    loss: gf.Tensor
    accuracy: gf.Tensor
    train: gf.Operation
    init: gf.Operation


def load(seed: int = 0) -> Data:
    """scikit-learn's 1,797 digits, shuffled; a third is kept for testing."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    x, y = (images[order] / 16).astype(np.float32), digits[order].astype(np.int64)
    n_test = len(x) // 3
    return Data(x[n_test:], y[n_test:], x[:n_test], y[:n_test])


def build(hidden: tuple[int, ...] = (64, 32), learning_rate: float = 0.003) -> Model:
    """A network with hidden layers of these sizes; without any it is a softmax regression."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, ["batch", 64], name="x")
        y = gf.placeholder(gf.int64, ["batch"], name="y")
        values: Any = x
        for number, size in enumerate(hidden, 1):
            values = gf.layers.dense(values, size, activation=gf.nn.relu, name=f"hidden_{number}")
        logits = gf.layers.dense(values, 10, name="output")
        loss = gf.nn.sparse_softmax_cross_entropy(labels=y, logits=logits)
        with gf.name_scope("accuracy"):
            accuracy = gf.mean(gf.cast(gf.equal(gf.argmax(logits, axis=1), y), gf.float32))
        train = gf.train.AdamOptimizer(learning_rate).minimize(loss)
        init = gf.global_variables_initializer()
    return Model(graph, x, y, loss, accuracy, train, init)


def learn(
    model: Model, data: Data, device: str | None = None, n_epochs: int = 40, batch: int = 50, seed: int = 0
) -> Iterator[Epoch]:
    """Train on a device; gives an Epoch after each pass over the training images, in a fresh order each."""
    batches = (
        gf.data.Dataset.from_arrays((data.x_train, data.y_train)).shuffle(seed=seed).batch(batch).prefetch()
    )
    with model.graph.as_default():
        parameters = gf.trainable_variables()
    with gf.Session(model.graph, device=device) as session:
        session.run(model.init)
        for _ in range(n_epochs):
            losses = [session.run([model.loss, model.train], {model.x: x, model.y: y})[0] for x, y in batches]
            feeds = {model.x: data.x_test, model.y: data.y_test}
            accuracy, learned = session.run([model.accuracy, parameters], feeds)
            yield Epoch(float(np.mean(losses)), float(accuracy), learned)


def main() -> None:
    data = load()
    for name, hidden in (("softmax regression", ()), ("network", (64, 32))):
        last = list(learn(build(hidden), data))[-1]
        print(
            f"{name:18}  loss {last.loss:.4f}   accuracy {last.accuracy:.1%} on {len(data.y_test)} test images"
        )


if __name__ == "__main__":
    main()
