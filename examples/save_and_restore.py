"""Training that stops and goes on elsewhere: the graph in one file, the values of its variables in another.

python -m examples.save_and_restore
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import graphflow as gf

__all__ = ["continue_training", "start_training"]

ROWS = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)


def start_training(folder: Path, n_steps: int) -> float:
    """Build, train, and save what `continue_training` needs; gives the loss."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, ["batch", 3], name="x")
        w = gf.Variable(gf.zeros([3, 1]), name="w")
        loss = gf.mean(gf.square(x @ w - gf.sum(x, axis=1, keepdims=True)), name="loss")
        gf.train.MomentumOptimizer(0.05, 0.9).minimize(loss, name="train")
        gf.global_variables_initializer()
        gf.save_graph(folder / "model.gfg")
        with gf.Session(graph) as session:
            session.run("init")
            for _ in range(n_steps):
                session.run("train", {"x:0": ROWS})
            gf.train.Saver().save(session, folder / "values.ckpt")
            return float(session.run("loss:0", {"x:0": ROWS}))


def continue_training(folder: Path, n_steps: int) -> float:
    """Load graph and values, go on, and give the loss. None of the code that built the graph is needed."""
    graph = gf.load_graph(folder / "model.gfg")
    with gf.Session(graph) as session:
        gf.train.Saver().restore(session, folder / "values.ckpt")
        for _ in range(n_steps):
            session.run("train", {"x:0": ROWS})
        return float(session.run("loss:0", {"x:0": ROWS}))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"loss after 20 steps               {start_training(folder, 20):.9f}")
        print(f"loss after 20 more, from the file {continue_training(folder, 20):.9f}")
        print(f"loss after 40 steps at once       {start_training(folder, 40):.9f}")


if __name__ == "__main__":
    main()
