"""The command line: what it prints, its exit status, and that errors are one line without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graphflow as gf
from graphflow.cli import main
from graphflow.cli.commands import default_fetches
from graphflow.save import save_graph

ROOT = Path(__file__).resolve().parent.parent

MODEL = """
import graphflow as gf
import numpy as np
import helper

print("building", __name__)
x = gf.placeholder("float32", ("batch", 784), name="x")
rate = gf.placeholder("float32", (), name="rate")
w = gf.Variable(np.zeros((784, helper.WIDTH), "float32"), name="w")
y = gf.matmul(x, w, name="y")
loss = gf.mean(y * y, name="loss")
(g,) = gf.gradients(loss, [w])
step = gf.group(w.assign_sub(rate * g), name="step")
init = gf.global_variables_initializer()
if __name__ == "__main__":
    gf.constant(1.0, name="only_in_main")
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "helper.py").write_text("WIDTH = 10\n")
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    yield str(path)
    sys.modules.pop("helper", None)


@pytest.fixture
def run(capsys):
    """Run a command line; gives status, stdout and stderr."""

    def ran(*words):
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return ran


def assert_one_line(err: str, *parts: str) -> None:
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("graphflow: error: ")
    for part in parts:
        assert part in lines[0]


# --- usage ----------------------------------------------------------------------------------------------------------


def test_version_and_help(run):
    status, out, err = run("--version")
    assert (status, out, err) == (0, f"graphflow {gf.__version__}\n", "")
    status, out, err = run("--help")
    assert status == 0
    assert all(command in out for command in ("demo", "devices", "render", "plan", "bench"))
    status, out, _ = run("plan", "--help")
    assert status == 0
    assert "--fetch" in out
    assert "__graphflow__" in out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "required: COMMAND"),
        (["nope"], "invalid choice"),
        (["devices", "--nope"], "unrecognized arguments: --nope"),
        (["render"], "required: FILE"),
        (["render", "x.py", "--engine", "nope"], "--engine"),
        (["plan", "x.py", "--fetch"], "expected one argument"),
    ],
)
def test_wrong_use(run, words, part):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert_one_line(err, part, "--help")


# --- devices --------------------------------------------------------------------------------------------------------


def test_devices(run):
    status, out, err = run("devices")
    assert (status, err) == (0, "")
    assert out.startswith("cpu:0 ")
    for info in gf.list_devices():
        assert info.name in out
        assert info.detail in out


# --- files ----------------------------------------------------------------------------------------------------------


def test_render_prints_rows(run, model):
    status, out, err = run("render", model)
    assert status == 0
    assert "matmul" in out
    assert "float32[batch, 10]" in out
    assert err == "building __graphflow__\n"


@pytest.mark.parametrize("suffix", ["svg", "dot", "txt"])
def test_render_writes_a_picture(run, model, tmp_path, suffix):
    status, out, _ = run("render", model, "-o", tmp_path / f"p.{suffix}", "--all")
    assert (status, out) == (0, "")
    assert "matmul" in (tmp_path / f"p.{suffix}").read_text("utf-8").lower()


def test_a_saved_graph_is_recognised(run, tmp_path):
    gf.constant(1.0, name="the_constant")
    save_graph(tmp_path / "no_suffix")
    status, out, err = run("render", tmp_path / "no_suffix")
    assert (status, err) == (0, "")
    assert "the_constant" in out


def test_a_program_can_be_run_as_main(run, model):
    assert "only_in_main" not in run("render", model)[1]
    status, out, err = run("render", model, "--main")
    assert status == 0
    assert "only_in_main" in out
    assert err == "building __main__\n"


def test_a_program_may_hold_its_own_graph(run, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "import graphflow as gf\ng = gf.Graph()\nwith g.as_default():\n    gf.constant(1.0, name='mine')\n"
    )
    assert "mine" in run("render", path)[1]
    path.write_text(path.read_text() + "h = gf.Graph()\nwith h.as_default():\n    gf.constant(1.0)\n")
    status, _, err = run("render", path)
    assert status == 1
    assert_one_line(err, "builds 2 graphs")


def test_arguments_and_path_are_put_back(run, model):
    before = (list(sys.argv), list(sys.path))
    run("render", model)
    assert (sys.argv, sys.path) == before


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = 1\n", "builds no graph; what stands under"),
        ("import graphflow as gf\n\n1 / 0\n", "bad.py:3: ZeroDivisionError: division by zero"),
        ("def f():\n    raise KeyError('k')\nf()\n", "bad.py:2: KeyError: 'k'"),
        ("if x\n", "bad.py:1: expected ':'"),
        ("import no_such_module\n", "bad.py:1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit(3)\n", "ended with status 3"),
        (
            "import graphflow as gf\ngf.matmul(gf.ones((2, 3)), gf.ones((2, 3)))\n",
            "bad.py:2: matmul",
        ),
    ],
)
def test_programs_that_fail(run, tmp_path, text, part):
    path = tmp_path / "bad.py"
    path.write_text(text)
    status, out, err = run("render", path)
    assert (status, out) == (1, "")
    assert_one_line(err, part)
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["render", "plan"])
def test_files_that_cannot_be_read(run, tmp_path, command):
    assert_one_line(run(command, tmp_path / "missing.py")[2], "cannot read", "No such file")
    assert_one_line(run(command, tmp_path)[2], "is a folder")
    (tmp_path / "zip").write_bytes(b"PK\x03\x04\0\0")
    assert_one_line(run(command, tmp_path / "zip")[2], "neither a saved graph nor a Python program")
    (tmp_path / "cut").write_bytes(b"GRAPHFLW\1\0\0\0")
    status, _, err = run(command, tmp_path / "cut")
    assert status == 1
    assert_one_line(err, "cut off")


def test_a_picture_that_cannot_be_written(run, model, tmp_path):
    for path, part in [(tmp_path / "x.nope", "must end in"), (tmp_path / "missing" / "x.svg", "no folder")]:
        status, _, err = run("render", model, "-o", path)
        assert status == 1
        assert_one_line(err.removeprefix("building __graphflow__\n"), part)


# --- plan -----------------------------------------------------------------------------------------------------------


def test_plan(run, model):
    status, out, err = run("plan", model, "--feed", "x=32,784")
    assert status == 0
    assert out.startswith("for step; choose with --fetch\nplan for cpu:0")
    assert "model.py:9" in out
    graph = gf.get_default_graph()
    wanted = gf.Session(graph).plan("step", {"x": (32, 784)})
    assert wanted.explain() in out
    assert err == "building __graphflow__\n"


def test_plan_of_named_fetches_and_feeds(run, model):
    status, out, _ = run(
        "plan", model, "--feed", "x=1,784", "--feed", "rate=", "--fetch", "loss:0", "--fetch", "init"
    )
    assert status == 0
    assert not out.startswith("for ")
    status, out, _ = run("plan", model, "--feed", "y:0=8,10", "--fetch", "loss")
    assert status == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--fetch", "y"], ["need a shape: --feed x=... (float32[batch, 784])"]),
        (["--feed", "x=3"], ["--feed x=3: x is float32[batch, 784]; say x=batch,784"]),
        (["--feed", "x=3,783"], ["783", "model.py:7"]),
        (["--feed", "x"], ["--feed x: say NAME=SHAPE"]),
        (["--feed", "x=a,b"], ["say NAME=SHAPE"]),
        (["--feed", "x=-1,784"], ["say NAME=SHAPE"]),
        (["--feed", "=3"], ["say NAME=SHAPE"]),
        (["--feed", "z=3"], ["no operation is called 'z'"]),
        (["--fetch", "stop"], ["no operation is called 'stop'", "near names: step"]),
        (["--feed", "x=1,784", "--device", "tpu"], ["no backend serves device 'tpu'"]),
        (["--memory-limit", "lots"], ["--memory-limit", "'lots' is not a size"]),
    ],
)
def test_plans_that_cannot_be(run, model, words, parts):
    status, out, err = run("plan", model, *words)
    assert (status, out) == (1, "")
    assert_one_line(err.removeprefix("building __graphflow__\n"), *parts)


def test_plan_within_a_limit(run, model):
    words = ["plan", model, "--feed", "x=32,784", "--memory-limit"]
    assert run(*words, "1GB")[:2][0] == 0
    status, out, _ = run(*words, "1kB")
    assert status == 1
    assert out.splitlines()[-1].startswith("limit ")
    assert "not kept" in out.splitlines()[-1]


def test_what_is_planned_by_default():
    x = gf.placeholder("float32", (3,), name="x")
    w = gf.Variable(np.ones(3, "float32"), name="w")
    a = gf.sin(x * w, name="a")
    b = gf.cos(x, name="b")
    gf.global_variables_initializer()
    graph = gf.get_default_graph()
    assert [t.name for t in default_fetches(graph)] == ["a:0", "b:0"]
    gf.train.GradientDescentOptimizer(0.1).minimize(gf.sum(a))
    last = gf.train.GradientDescentOptimizer(0.1).minimize(gf.sum(b * w), name="last")
    assert default_fetches(graph) == [last]
    assert default_fetches(gf.Graph()) == []


def test_a_plan_of_nothing(run, tmp_path):
    (tmp_path / "x.py").write_text("import graphflow as gf\ngf.placeholder('float32')\n")
    status, _, err = run("plan", tmp_path / "x.py")
    assert status == 1
    assert_one_line(err, "computes nothing; say what to plan for with --fetch")


# --- demo and bench -------------------------------------------------------------------------------------------------


def test_demo_and_bench_hand_their_arguments_on(run, tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    (tmp_path / "benchmarks").mkdir()
    program = "import sys\nprint(__name__, sys.argv[1:])\nsys.exit(len(sys.argv) - 1)\n"
    (tmp_path / "examples" / "demo.py").write_text(program)
    (tmp_path / "benchmarks" / "__main__.py").write_text(program)
    monkeypatch.setattr("graphflow.cli.commands._ROOT", tmp_path)
    assert run("demo", "--help", "a") == (2, "__main__ ['--help', 'a']\n", "")
    assert run("demo") == (0, "__main__ []\n", "")
    assert run("bench", "one") == (1, "__main__ ['one']\n", "")
    (tmp_path / "examples" / "demo.py").write_text("import no_such_module\n")
    status, _, err = run("demo")
    assert status == 1
    assert_one_line(err, "no_such_module is not installed", "graphflow-engine[demo]")


def test_demo_outside_a_clone(run, tmp_path, monkeypatch):
    monkeypatch.setattr("graphflow.cli.commands._ROOT", tmp_path)
    for command in ("demo", "bench"):
        status, _, err = run(command)
        assert status == 1
        assert_one_line(err, "clone the repository")


# --- as a process ---------------------------------------------------------------------------------------------------


def process(*words, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-m", "graphflow", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=60, **options
    )


def test_as_a_module(tmp_path):
    done = process("devices", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("cpu:0 ")
    assert done.stderr == ""
    assert process("nope").returncode == 2


def test_ascii_only_and_no_console(model):
    """Signs that the terminal lacks are escaped; no home, no terminal and no stdin are needed."""
    environment = {"PYTHONIOENCODING": "ascii", "HOME": "/nonexistent", "TERM": "dumb"}
    done = process("render", model, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert "matmul" in done.stdout
    assert done.stdout.isascii()


def test_escapes_never_reach_the_terminal(tmp_path):
    path = tmp_path / "\x1b[31mred\u202e.py"
    path.write_text("raise ValueError('\\x1b]0;title\\x07')\n")
    done = process("render", path)
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert_one_line(done.stderr, "\\x1b[31mred", "\\x1b]0;title\\x07")


# a pipe closed early raises SIGPIPE on POSIX alone: on Windows there is no such ending to test
@pytest.mark.skipif(os.name == "nt", reason="pipes and signals of POSIX")
def test_a_reader_that_stops_reading(tmp_path):
    path = tmp_path / "long.py"
    path.write_text(
        "import graphflow as gf\nx = gf.constant(1.0)\nfor _ in range(900):\n    x = gf.sin(x, name='s')\n"
    )
    command = f'"{sys.executable}" -m graphflow render "{path}" | head -n 1'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


# the test sends SIGINT to one process: Windows has no such signal for a child
@pytest.mark.skipif(os.name == "nt", reason="pipes and signals of POSIX")
def test_an_interrupt(tmp_path):
    path = tmp_path / "slow.py"
    path.write_text("import sys, time\nprint('started', flush=True)\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "graphflow", "render", str(path)]
    ignored = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's jobs in the background ignore it
    try:
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(signal.SIGINT, ignored)
    with child:
        assert child.stderr is not None
        assert child.stderr.readline() == "started\n"
        time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        try:
            assert child.wait(20) == 130
        finally:
            child.kill()
        assert_one_line(child.stderr.read(), "interrupted")
