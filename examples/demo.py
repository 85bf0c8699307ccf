"""The demo: a line and handwritten digits are learned, drawn, planned, and learned again on every device there is.

    make demo        or, from a clone:  graphflow demo [--out FOLDER] [--quick]

Everything is offline and starts from fixed seeds. Pictures go to FOLDER.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import graphflow as gf
from examples import digits, linear_regression
from examples.linear_regression import TRUE_B, TRUE_W
from examples.progress import table, track

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run the demo; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="graphflow demo", description="Learn a line and handwritten digits."
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for pictures (out)")
    parser.add_argument("--quick", action="store_true", help="train less")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    begin = time.perf_counter()
    written = [*line(options.out, options.quick), *images(options.out, options.quick)]
    print(f"\ndone in {time.perf_counter() - begin:.1f} s; look at")
    for path in written:
        print(f"    {path}")
    return 0


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


# --- a line -----------------------------------------------------------------------------------------


def line(out: Path, quick: bool) -> list[Path]:
    """The linear model; gives the pictures that it wrote."""
    n_epochs = 8 if quick else 12
    heading("1. A line through 10,000 noisy points, by gradient descent")
    xs, ys = linear_regression.noisy_line()
    model = linear_regression.build()
    epochs = []
    for w, b, loss in track(
        linear_regression.learn(model, xs, ys, n_epochs=n_epochs), "learning the line", n_epochs
    ):
        epochs.append((w, b, loss))
        print(f"epoch {len(epochs):2}   w {w:7.4f}   b {b:7.4f}   mean squared error {loss:.4f}")
    noise = float(np.mean(np.square(ys - (TRUE_W * xs + TRUE_B))))
    print(f"truth      w {TRUE_W:7.4f}   b {TRUE_B:7.4f}   mean squared error {noise:.4f}, all of it noise")

    written = [out / "linear_fit.png", out / "linear_loss.png", out / "linear_graph.svg"]
    draw_fit(written[0], xs, ys, *epochs[-1][:2])
    draw_losses(
        written[1],
        {"mean squared error": [loss for *_, loss in epochs]},
        "The line: loss by epoch",
        floor=noise,
    )
    gf.render(model.graph, written[2])
    print(f"the diagram of its training graph is {written[2]}")

    def run(device: str) -> dict[str, Any]:
        w, b, loss = list(linear_regression.learn(model, xs, ys, device, n_epochs))[-1]
        return {"w": w, "b": b, "loss": loss}

    heading("   The same graph on every device: only `device=` changes")
    print(compare_devices(run, ["w", "b", "loss"]))
    return written


def draw_fit(path: Path, xs: Any, ys: Any, w: float, b: float) -> None:
    """The points, the true line dotted in green, the learned one dotted in red."""
    plt = pyplot()
    ends = np.array([-1.0, 1.0])
    true = TRUE_W * ends + TRUE_B
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    axes.scatter(xs, ys, s=3, alpha=0.25, linewidths=0, color="#4A5568", label="10,000 points")
    # the dots of the one line fall between those of the other, so that both are seen where they agree
    true_label, label = (
        f"{what}: y = {k:.3f} x {c:+.3f}" for what, k, c in (("true", TRUE_W, TRUE_B), ("learned", w, b))
    )
    axes.plot(ends, true, color="green", linewidth=4, linestyle=(0, (1, 3)), label=true_label)
    axes.plot(ends, w * ends + b, color="red", linewidth=4, linestyle=(2, (1, 3)), label=label)
    axes.set(xlabel="x", ylabel="y", title="A line learned from noisy points")
    legend = axes.legend(loc="upper left", handlelength=3.5)
    legend.legend_handles[0].set(alpha=1, sizes=[20])
    figure.savefig(path, dpi=120)
    plt.close(figure)


# --- digits -----------------------------------------------------------------------------------------


def images(out: Path, quick: bool) -> list[Path]:
    """Softmax regression and a network on handwritten digits; gives the pictures that it wrote."""
    n_epochs = 8 if quick else 40
    data = digits.load()
    heading(
        f"2. Handwritten digits: {len(data.x_train)} images to learn from, {len(data.x_test)} to be tested on"
    )
    models = {"softmax regression": digits.build(hidden=()), "network": digits.build()}
    losses: dict[str, list[float]] = {}
    for name, model in models.items():
        epochs = list(track(digits.learn(model, data, n_epochs=n_epochs), name, n_epochs))
        losses[name] = [epoch.loss for epoch in epochs]
        print(
            f"{name:18}   loss {epochs[-1].loss:.4f}   accuracy on the test images {epochs[-1].accuracy:.1%}"
        )

    written = [out / "digits_loss.png", out / "softmax_graph.svg", out / "network_graph.svg"]
    draw_losses(written[0], losses, "Digits: training loss by epoch", logarithmic=True)
    for path, (name, model) in zip(written[1:], models.items(), strict=True):
        gf.render(model.graph, path, max_boxes=30)  # scopes are closed until about so many boxes remain
        print(f"the diagram of the training graph of the {name} is {path}")

    network = models["network"]
    heading("   What one training step of the network costs, said before it runs")
    with gf.Session(network.graph) as session:
        print(session.plan([network.train, network.loss], {network.x: (50, 64), network.y: (50,)}).explain())

    def run(device: str) -> dict[str, Any]:
        last = list(digits.learn(network, data, device, n_epochs))[-1]
        weights = np.concatenate([np.ravel(p) for p in last.parameters])
        return {"accuracy": last.accuracy, "loss": last.loss, "weights": weights}

    heading("   The network on every device: only `device=` changes")
    print(compare_devices(run, ["accuracy", "loss"]))
    return written


# --- what both use ----------------------------------------------------------------------------------


def compare_devices(run: Callable[[str], dict[str, Any]], shown: Sequence[str]) -> str:
    """A table of all devices: what `run(device)` gives on each, and how far that is from the first one's."""
    rows, missing = [], []
    first: dict[str, Any] | None = None
    for info in sorted(gf.list_devices(), key=lambda info: not info.available):
        reason = "" if info.available else info.detail
        start = time.perf_counter()
        try:
            found = None if reason else run(info.name)
        except gf.errors.BackendError as error:  # listed as available, but its libraries do not work
            found, reason = None, str(error)
        if found is None:
            rows.append([info.name, *["-"] * len(shown), "-", "-", "missing, see below"])
            missing.append(f"{info.name} is missing: {reason}")
            continue
        seconds = time.perf_counter() - start
        first = found if first is None else first
        away = max(float(np.max(np.abs(np.subtract(found[key], first[key])))) for key in found)
        numbers = [f"{found[key]:.4f}" for key in shown]
        rows.append(
            [
                info.name,
                *numbers,
                f"{away:.1e}" if away else "0",
                f"{seconds:.2f}",
                info.detail.partition(";")[0],
            ]
        )
    head = ["device", *shown, "max abs difference", "seconds", "what it is"]
    return "\n".join([table(head, rows), *missing])


def draw_losses(
    path: Path, losses: dict[str, list[float]], title: str, logarithmic: bool = False, floor: float = 0.0
) -> None:
    """One curve for each name, by epoch; `floor`, where given, is what the truth itself would have."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for (name, values), color in zip(losses.items(), ("#0072B2", "#D55E00"), strict=False):
        axes.plot(range(1, len(values) + 1), values, marker=".", color=color, label=name)
    if floor:
        axes.axhline(floor, color="#4A5568", linestyle="--", linewidth=1, label="of the true line: noise")
    axes.set(xlabel="epoch", ylabel="loss", title=title, yscale="log" if logarithmic else "linear")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def pyplot() -> Any:
    """matplotlib, drawing to files only."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
