"""The programs in `examples/` do what they say; the demo writes its pictures."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphflow as gf
from examples import (
    counting_lstm,
    demo,
    digits,
    digits_cnn,
    heat,
    linear_regression,
    memory,
    newton,
    save_and_restore,
)
from examples.progress import table, track

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ["linear_fit.png", "linear_loss.png", "digits_loss.png"]
DIAGRAMS = ["linear_graph.svg", "softmax_graph.svg", "network_graph.svg"]


def test_the_line_is_found():
    xs, ys = linear_regression.noisy_line()
    assert xs.shape == ys.shape == (10_000,)
    epochs = list(linear_regression.learn(linear_regression.build(), xs, ys, n_epochs=12))
    w, b, loss = epochs[-1]
    assert w == pytest.approx(linear_regression.TRUE_W, abs=0.02)
    assert b == pytest.approx(linear_regression.TRUE_B, abs=0.02)
    assert loss == pytest.approx(linear_regression.NOISE**2, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "accuracy"), [((), 0.92), ((64, 32), 0.95)])
def test_digits_are_read(hidden, accuracy):
    data = digits.load()
    assert len(data.x_test) == 599
    epochs = list(digits.learn(digits.build(hidden), data))
    assert epochs[-1].accuracy >= accuracy
    assert epochs[-1].loss < epochs[0].loss / 5
    assert len(epochs[-1].parameters) == 2 * len(hidden) + 2


def test_training_repeats_itself_to_the_bit():
    data, model = digits.load(), digits.build()
    first, again = (list(digits.learn(model, data, n_epochs=1))[-1].parameters for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.slow
def test_a_convolutional_network_reads_digits_better():
    epochs = list(digits_cnn.learn(digits_cnn.build(), digits.load(), n_epochs=8))
    assert epochs[-1].accuracy >= 0.97
    assert epochs[-1].loss < epochs[0].loss / 5


def test_a_recurrent_network_learns_to_count():
    ((step, loss, known, longer),) = counting_lstm.learn(counting_lstm.build(), n_steps=100)
    assert (step, loss < 0.02) == (100, True)
    assert known >= 0.98
    assert longer >= 0.5


def test_newton_finds_roots_and_slopes():
    a = gf.placeholder(gf.float64, [])
    root, count = newton.cube_root(a)
    (slope,) = gf.gradients(root, a)
    y, dy, n = gf.Session().run([root, slope, count], {a: 27.0})
    assert y == pytest.approx(3)
    assert dy == pytest.approx(1 / 27)
    assert n == 10


def test_the_rods_conductivity_is_found():
    found = list(heat.learn())
    assert found[-1][0] == pytest.approx(heat.TRUE_K, abs=0.01)


def test_a_limit_is_kept_or_refused(capsys):
    memory.main()
    printed = capsys.readouterr().out
    assert "in 8 MB: True" in printed
    assert "in 8 MB: False" in printed
    assert re.search(r"refused.*takes at least .* bytes.*memory\.py:\d+", printed, re.DOTALL)


def test_training_goes_on_where_it_stopped(tmp_path):
    save_and_restore.start_training(tmp_path, 20)
    resumed = save_and_restore.continue_training(tmp_path, 20)
    assert resumed == save_and_restore.start_training(tmp_path, 40)


# --- the demo -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_says_and_draws_everything(tmp_path, capsys):
    assert demo.main(["--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    w, b = re.findall(r"epoch 12   w +([-\d.]+)   b +([-\d.]+)", printed)[0]
    assert float(w) == pytest.approx(linear_regression.TRUE_W, abs=0.02)
    assert float(b) == pytest.approx(linear_regression.TRUE_B, abs=0.02)
    accuracy = re.search(r"^network +loss .* accuracy .* ([\d.]+)%$", printed, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) >= 95
    for text in ("memory ", "live at the peak", "parallel ", "critical path", "digits.py:"):
        assert text in printed
    for info in gf.list_devices():
        assert len(re.findall(rf"^{info.name} .*(?:\d\.\d\d|missing)", printed, re.MULTILINE)) >= 2
        if not info.available:
            assert info.detail in printed
    for name in PICTURES:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / name).stat().st_size > 10_000
    for name in DIAGRAMS:
        assert "<svg" in (tmp_path / name).read_text("utf-8")[:500]
        assert str(tmp_path / name) in printed


@pytest.mark.slow
# the bar is drawn in a terminal only, and Python can make one only where there is `pty`
@pytest.mark.skipif(os.name == "nt", reason="pty is not on Windows")
def test_the_demo_shows_bars_in_a_terminal(tmp_path):
    command = [sys.executable, "-m", "graphflow", "demo", "--quick", "--out", str(tmp_path)]
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown.decode(errors="replace")
    assert "━" in shown.decode()
    assert b"8/8" in shown


def test_the_demo_runs_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "graphflow", "demo", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout


def test_without_a_terminal_there_is_one_line(capsys):
    assert list(track(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().out == "letters: 3 of 3\n"


def test_a_table_is_aligned():
    text = table(["name", "n", "what"], [["a", "10", "some words"], ["longer", "2", ""]])
    assert text == "name     n    what\na        10   some words\nlonger   2"
