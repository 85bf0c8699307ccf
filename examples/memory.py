"""What does a run need, where does it peak, and what if there is less? Asked before anything runs.

python -m examples.memory
"""

from __future__ import annotations

import numpy as np

import graphflow as gf

__all__ = ["build"]


def build(n_layers: int = 6, width: int = 256) -> tuple[gf.Tensor, gf.Operation]:
    """A deep network on rows of `width` numbers, in the default graph: what is fed, and its training step."""
    x = gf.placeholder(gf.float32, ["batch", width], name="x")
    values = x
    for layer in range(n_layers):
        with gf.name_scope(f"layer_{layer}"):
            kernel = gf.initializers.he_normal_initializer(seed=layer)([width, width])
            values = gf.nn.relu(values @ gf.Variable(kernel, name="kernel"))
    loss = gf.mean(gf.square(values - x), name="loss")
    return x, gf.train.GradientDescentOptimizer(0.01).minimize(loss)


def main() -> None:
    with gf.Graph().as_default():
        x, train = build()
        with gf.Session() as session:
            for batch in (16, 256, 4096):
                plan = session.plan(train, {x: (batch, 256)})
                print(
                    f"a batch of {batch:4} needs {plan.peak_nbytes / 1e6:6.2f} MB; in 8 MB: {plan.fits('8MB')}"
                )

            session.run(gf.global_variables_initializer())
            rows = np.random.default_rng(0).normal(size=(4096, 256)).astype(np.float32)
            session.run(train, {x: rows[:256]}, memory_limit="8MB")
            try:
                session.run(train, {x: rows}, memory_limit="8MB")
            except gf.errors.MemoryLimitError as error:
                print(f"\nrefused, and nothing has run: {error}")


if __name__ == "__main__":
    main()
