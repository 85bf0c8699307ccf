"""The linear model of a first course: a noisy line, and the line that gradient descent finds in it.

python -m examples.linear_regression
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf

__all__ = ["TRUE_B", "TRUE_W", "Model", "build", "learn", "noisy_line"]

TRUE_W, TRUE_B, NOISE = 1.5, -0.5, 0.4


@dataclass(frozen=True)
class Model:
    """The graph: what is fed (x, y), what is learned (w, b), what is run (loss, train, init)."""

    graph: gf.Graph
    x: gf.Tensor
    y: gf.Tensor
    w: gf.Variable
    b: gf.Variable
    loss: gf.Tensor
    train: gf.Operation
    init: gf.Operation


def noisy_line(n_points: int = 10_000, seed: int = 0) -> tuple[Any, Any]:
    """x uniform in [-1, 1) and y = w x + b + noise: two arrays float32[n_points]."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n_points)
    y = TRUE_W * x + TRUE_B + rng.normal(0, NOISE, n_points)
    return x.astype(np.float32), y.astype(np.float32)


def build(learning_rate: float = 0.05) -> Model:
    """y = w x + b, the mean squared error, and one step of gradient descent."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, ["batch"], name="x")
        y = gf.placeholder(gf.float32, ["batch"], name="y")
        w = gf.Variable(0.0, name="w")
        b = gf.Variable(0.0, name="b")
        prediction = w * x + b
        loss = gf.mean(gf.square(prediction - y))
        train = gf.train.GradientDescentOptimizer(learning_rate).minimize(loss)
        init = gf.global_variables_initializer()
    return Model(graph, x, y, w, b, loss, train, init)


def learn(
    model: Model, xs: Any, ys: Any, device: str | None = None, n_epochs: int = 10, batch: int = 500
) -> Iterator[tuple[float, float, float]]:
    """Train on a device; after each epoch gives w, b and the loss over all points."""
    with gf.Session(model.graph, device=device) as session:
        session.run(model.init)
        for _ in range(n_epochs):
            for start in range(0, len(xs), batch):
                points = slice(start, start + batch)
                session.run(model.train, {model.x: xs[points], model.y: ys[points]})
            w, b, loss = session.run([model.w, model.b, model.loss], {model.x: xs, model.y: ys})
            yield float(w), float(b), float(loss)


def main() -> None:
    xs, ys = noisy_line()
    for epoch, (w, b, loss) in enumerate(learn(build(), xs, ys), 1):
        print(f"epoch {epoch:2}   w {w:7.4f}   b {b:7.4f}   loss {loss:.4f}")
    print(f"truth      w {TRUE_W:7.4f}   b {TRUE_B:7.4f}")


if __name__ == "__main__":
    main()
