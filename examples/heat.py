"""How well does a rod conduct heat? Found from its temperatures before and after, by gradients through a simulation.

python -m examples.heat
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import graphflow as gf

__all__ = ["TRUE_K", "learn", "simulate"]

TRUE_K, N_POINTS, N_STEPS = 0.3, 40, 100


def simulate(start: gf.Tensor, k: Any) -> gf.Tensor:
    """Temperatures after N_STEPS explicit steps of the heat equation; the rod's ends stay as they are.

    start: float32[n]. k: conductivity, a scalar in units of dx²/dt, at most 0.5 for a stable simulation.
    """

    def step(u: gf.Tensor, _: gf.Tensor) -> gf.Tensor:
        inner = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
        return gf.concat([u[:1], inner, u[-1:]])

    end: gf.Tensor = gf.foldl(step, gf.arange(N_STEPS), initializer=start)
    return end


def learn(n_steps: int = 100) -> Iterator[tuple[float, float]]:
    """Start from a wrong k; after each step of Adam gives k and the mean squared error."""
    positions = np.linspace(0, 1, N_POINTS)
    before = (np.exp(-100 * (positions - 0.5) ** 2) + positions).astype(np.float32)
    with gf.Graph().as_default():
        measured = gf.Session().run(simulate(gf.constant(before), TRUE_K))  # instead of a real rod
        k = gf.Variable(0.1, name="k")
        loss = gf.mean(gf.square(simulate(gf.constant(before), k) - measured))
        train = gf.train.AdamOptimizer(0.02).minimize(loss)
        with gf.Session() as session:
            session.run(gf.global_variables_initializer())
            for _ in range(n_steps):
                session.run(train)
                found, error = session.run([k, loss])
                yield float(found), float(error)


def main() -> None:
    for step, (k, error) in enumerate(learn(), 1):
        if step % 10 == 0:
            print(f"step {step:3}   k {k:.4f}   mean squared error {error:.2e}")
    print(f"truth      k {TRUE_K:.4f}")


if __name__ == "__main__":
    main()
