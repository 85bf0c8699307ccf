"""Handwritten digits read by a small convolutional network with batch normalisation, dropout, and a metric over batches.

python -m examples.digits_cnn
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import graphflow as gf
from examples.digits import Data, load

__all__ = ["Epoch", "Model", "build", "learn"]


class Epoch(NamedTuple):
    """After one epoch: the mean training loss, and the share of the test images that are read right."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Model:
    """The graph: what is fed (x, y, training), and what is run."""

    graph: gf.Graph
    x: gf.Tensor
    y: gf.Tensor
    training: gf.Tensor
    loss: gf.Tensor
    train: gf.Operation
    accuracy: gf.Tensor
    count_batch: gf.Tensor
    init: gf.Operation
    init_counts: gf.Operation


def network(images: Any, training: Any) -> gf.Tensor:
    """Scores of the ten digits: float32[batch, 8, 8, 1] -> float32[batch, 10]."""
    values = gf.layers.conv2d(images, 16, 3, padding="same", use_bias=False, name="conv_1")
    values = gf.nn.relu(gf.layers.batch_normalization(values, momentum=0.9, training=training))
    values = gf.layers.max_pooling2d(values, 2, 2)
    values = gf.layers.conv2d(values, 32, 3, padding="same", activation=gf.nn.relu, name="conv_2")
    values = gf.layers.max_pooling2d(values, 2, 2)
    values = gf.layers.dropout(gf.layers.flatten(values), 0.3, training=training)
    return gf.layers.dense(values, 10, name="output")


def build(learning_rate: float = 0.005) -> Model:
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, ["batch", 64], name="x")
        y = gf.placeholder(gf.int64, ["batch"], name="y")
        training = gf.placeholder(gf.bool_, [], name="training")
        logits = network(gf.reshape(x, [-1, 8, 8, 1]), training)
        loss = gf.losses.sparse_softmax_cross_entropy(labels=y, logits=logits)
        # the averages of batch normalisation move with each training step
        with gf.control_dependencies(gf.get_collection(gf.GraphKeys.UPDATE_OPS)):
            train = gf.train.AdamOptimizer(learning_rate).minimize(loss)
        accuracy, count_batch = gf.metrics.accuracy(y, gf.argmax(logits, axis=1))
        init, init_counts = gf.global_variables_initializer(), gf.local_variables_initializer()
    return Model(graph, x, y, training, loss, train, accuracy, count_batch, init, init_counts)


def learn(model: Model, data: Data, n_epochs: int = 12, batch: int = 50, seed: int = 0) -> Iterator[Epoch]:
    """Train; gives an Epoch after each pass over the training images."""
    images = (
        gf.data.Dataset.from_arrays((data.x_train, data.y_train)).shuffle(seed=seed).batch(batch).prefetch()
    )
    tests = gf.data.Dataset.from_arrays((data.x_test, data.y_test)).batch(200)
    with gf.Session(model.graph) as session:
        session.run(model.init)
        step = session.make_callable([model.loss, model.train], [model.x, model.y, model.training])
        for _ in range(n_epochs):
            losses = [step(x, y, True)[0] for x, y in images]
            session.run(model.init_counts)
            for x, y in tests:
                session.run(model.count_batch, {model.x: x, model.y: y, model.training: False})
            yield Epoch(float(np.mean(losses)), float(session.run(model.accuracy)))


def main() -> None:
    data, n_epochs = load(), 12
    for number, epoch in enumerate(gf.data.progress(learn(build(), data, n_epochs), "epochs", n_epochs), 1):
        print(f"epoch {number:2}   loss {epoch.loss:.4f}   accuracy {epoch.accuracy:.1%}")


if __name__ == "__main__":
    main()
