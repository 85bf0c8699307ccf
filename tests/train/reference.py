"""The optimizers again, in NumPy and float64, written from the papers: what `graphflow.train` is tested against.

Each is a function `step(state, w, g, t)` that changes `state` and gives the new w; t counts from 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[dict[str, Any], Any, Any, int], Any]


def gradient_descent(lr: float) -> Step:
    return lambda state, w, g, t: w - lr * g


def momentum(lr: float, mu: float, nesterov: bool = False) -> Step:
    def step(state, w, g, t):
        velocity = state["a"] = mu * state.get("a", 0.0) + g
        return w - lr * (g + mu * velocity) if nesterov else w - lr * velocity

    return step


def adagrad(lr: float, initial: float) -> Step:
    def step(state, w, g, t):
        history = state.setdefault("history", [])
        history.append(g**2)
        return w - lr * g / np.sqrt(initial + np.sum(history, axis=0))

    return step


def rmsprop(lr: float, decay: float, mu: float, epsilon: float, centered: bool) -> Step:
    def step(state, w, g, t):
        state["second"] = decay * state.get("second", 1.0) + (1 - decay) * g**2
        state["first"] = decay * state.get("first", 0.0) + (1 - decay) * g
        variance = state["second"] - (state["first"] ** 2 if centered else 0.0)
        state["move"] = mu * state.get("move", 0.0) + lr * g / np.sqrt(variance + epsilon)
        return w - state["move"]

    return step


def adam(lr: float, beta1: float, beta2: float, epsilon: float, weight_decay: float = 0.0) -> Step:
    """Algorithm 1 of the paper, with its epsilon so that it means the "epsilon hat" of the last part of section 2."""

    def step(state, w, g, t):
        state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
        m_hat = state["m"] / (1 - beta1**t)
        v_hat = state["v"] / (1 - beta2**t)
        paper_epsilon = epsilon / np.sqrt(1 - beta2**t)
        return w - lr * (m_hat / (np.sqrt(v_hat) + paper_epsilon) + weight_decay * w)

    return step


def adadelta(lr: float, rho: float, epsilon: float) -> Step:
    def step(state, w, g, t):
        state["g2"] = rho * state.get("g2", 0.0) + (1 - rho) * g**2
        delta = -np.sqrt(state.get("d2", 0.0) + epsilon) / np.sqrt(state["g2"] + epsilon) * g
        state["d2"] = rho * state.get("d2", 0.0) + (1 - rho) * delta**2
        return w + lr * delta

    return step


def ftrl(lr: float, power: float, initial: float, l1: float, l2: float, shrinkage: float = 0.0) -> Step:
    def step(state, w, g, t):
        n = state.get("n", initial)
        sigma = ((n + g**2) ** -power - n**-power) / lr
        z = state["z"] = state.get("z", 0.0) + g + 2 * shrinkage * w - sigma * w
        n = state["n"] = n + g**2
        solution = -(z - np.sign(z) * l1) / (n**-power / lr + 2 * l2)
        return np.where(np.abs(z) <= l1, 0.0, solution)

    return step
