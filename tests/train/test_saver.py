"""Saver: what is saved is restored, all or nothing, and a save that fails leaves what was there."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import graphflow as gf
from graphflow import train
from graphflow.errors import (
    ArgumentError,
    CheckpointError,
    DTypeError,
    FormatError,
    GraphError,
    SessionError,
    UninitializedError,
)


@pytest.fixture
def model():
    """Two variables, and a session in which they have values."""
    w = gf.Variable(np.array([1.0, 2.0], np.float32), name="w")
    b = gf.Variable(np.float64(3.0), name="b")
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        yield w, b, session


def values(session):
    return [np.asarray(v).tolist() for v in session.run(gf.global_variables())]


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# --- round trips ----------------------------------------------------------------------------------


def test_save_and_restore(tmp_path, model):
    w, b, session = model
    saver = train.Saver()
    path = saver.save(session, tmp_path / "model")
    assert path == str(tmp_path / "model")
    assert names_in(tmp_path) == ["checkpoint", "model"]
    w.load([7.0, 8.0], session)
    b.load(9.0, session)
    saver.restore(session, path)
    assert values(session) == [[1.0, 2.0], 3.0]
    with gf.Session() as fresh:  # restoring initializes
        saver.restore(fresh, path)
        assert values(fresh) == [[1.0, 2.0], 3.0]


def test_every_dtype(tmp_path):
    saved = {}
    for dtype in [
        "bool",
        "int8",
        "uint16",
        "int64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
        "bfloat16",
    ]:
        saved[dtype] = gf.Variable(gf.cast(np.array([0, 1, 1]), dtype), name=f"v_{dtype}", trainable=False)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        path = train.Saver().save(session, tmp_path / "model")
        before = session.run(list(saved.values()))
    with gf.Session() as session:
        train.Saver().restore(session, path)
        for a, b in zip(before, session.run(list(saved.values())), strict=True):
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes()


def test_training_goes_on_from_a_checkpoint_as_if_never_interrupted(tmp_path):
    w = gf.Variable(np.array([1.0, -2.0]), name="w")
    step = train.get_or_create_global_step()
    update = train.AdamOptimizer(0.1).minimize(gf.sum(gf.square(w)), global_step=step)
    saver = train.Saver()
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(3):
            session.run(update)
        path = saver.save(session, tmp_path / "model", global_step=step)
        assert path == str(tmp_path / "model-3")
        for _ in range(4):
            session.run(update)
        want = session.run(gf.global_variables())
    with gf.Session() as session:
        saver.restore(session, train.latest_checkpoint(tmp_path))
        for _ in range(4):
            session.run(update)
        for a, b in zip(want, session.run(gf.global_variables()), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_part_of_the_variables_under_other_names(tmp_path, model):
    w, b, session = model
    path = train.Saver({"weights": w}).save(session, tmp_path / "part")
    assert train.list_variables(path) == [("weights", [2])]
    whole = train.Saver().save(session, tmp_path / "whole")
    w.load([0.0, 0.0], session)
    b.load(0.0, session)
    train.Saver([w]).restore(session, whole)
    assert values(session) == [[1.0, 2.0], 0.0]


def test_all_values_are_read_in_one_run(tmp_path, model, monkeypatch):
    _, _, session = model
    runs = []
    run = gf.Session.run
    monkeypatch.setattr(gf.Session, "run", lambda self, *a, **k: runs.append(a) or run(self, *a, **k))
    train.Saver().save(session, tmp_path / "model")
    assert len(runs) == 1


def test_saving_adds_no_node_to_the_graph(tmp_path, model):
    _, _, session = model
    gf.get_default_graph().finalize()
    saver = train.Saver()
    saver.restore(session, saver.save(session, tmp_path / "model", global_step=3))


def test_paths_of_any_kind(tmp_path, model, monkeypatch):
    _, _, session = model
    saver = train.Saver()
    folder = tmp_path / "ordner ü 模型"
    folder.mkdir()
    saver.restore(session, saver.save(session, folder / "môdel.ckpt"))
    assert train.latest_checkpoint(folder) == str(folder / "môdel.ckpt")
    monkeypatch.chdir(folder)
    assert saver.save(session, "here") == "here"
    saver.restore(session, "here")
    assert train.latest_checkpoint(".") == "here"


# --- what does not fit ----------------------------------------------------------------------------


def test_everything_that_does_not_fit_is_listed(tmp_path):
    with gf.Graph().as_default():
        for name, value in {"same": 1.0, "shape": [1.0, 2.0], "dtype": 1, "surplus": 1.0}.items():
            gf.Variable(value, name=name)
        with gf.Session() as session:
            session.run(gf.global_variables_initializer())
            path = train.Saver().save(session, tmp_path / "model")
    for name, value in {"same": 5.0, "shape": [5.0, 5.0, 5.0], "dtype": 5.0, "missing": 5.0}.items():
        gf.Variable(value, name=name)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        before = values(session)
        with pytest.raises(CheckpointError) as raised:
            train.Saver().restore(session, path)
        assert values(session) == before
    for text in [
        "'shape' is float32[2] in the file, but the variable is float32[3]",
        "'dtype' is int64[] in the file, but the variable is float32[]",
        "'missing' is missing in the file",
        "'surplus' is in the file, but no variable is called that",
        "Saver(var_list=[...])",
    ]:
        assert text in str(raised.value)
    assert "'same'" not in str(raised.value)


def test_a_long_list_is_cut(tmp_path, model):
    _, _, session = model
    path = train.Saver().save(session, tmp_path / "model")
    with gf.Graph().as_default():
        for i in range(100):
            gf.Variable(1.0, name=f"v{i}")
        with gf.Session() as other, pytest.raises(CheckpointError, match="and 82 more"):
            train.Saver().restore(other, path)


def test_damage_leaves_the_variables_as_they_were(tmp_path, model):
    w, _, session = model
    saver = train.Saver()
    path = Path(saver.save(session, tmp_path / "model"))
    whole = path.read_bytes()
    w.load([7.0, 8.0], session)
    for at in [-1, -9, 3, 20, 100, 200]:
        damaged = bytearray(whole)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            saver.restore(session, path)
        assert values(session) == [[7.0, 8.0], 3.0]
    path.write_bytes(whole)
    saver.restore(session, path)
    assert values(session) == [[1.0, 2.0], 3.0]


@pytest.mark.parametrize(
    "path", ["missing", "no/such/folder", "", ".", "/dev/null", None, 3, "a\0b", "x" * 5000]
)
def test_restoring_from_no_checkpoint(path, model):
    _, _, session = model
    with pytest.raises((FormatError, ArgumentError)):
        train.Saver().restore(session, path)


def test_a_fifo_does_not_block(tmp_path, model):
    _, _, session = model
    os.mkfifo(tmp_path / "model")
    with pytest.raises(FormatError, match="is a pipe"):
        train.Saver().restore(session, tmp_path / "model")
    with pytest.raises((FormatError, ArgumentError)):
        train.Saver().save(session, tmp_path / "model")


# --- bad arguments --------------------------------------------------------------------------------


def test_uninitialized_variables_are_named(tmp_path):
    w, _, _ = (gf.Variable(1.0, name=name) for name in "wbc")
    with gf.Session() as session:
        session.run(w.initializer)
        with pytest.raises(UninitializedError, match="no value in this session: 'b', 'c'"):
            train.Saver().save(session, tmp_path / "model")
    assert names_in(tmp_path) == []


def test_bad_var_lists():
    w = gf.Variable(1.0, name="w")
    with gf.Graph().as_default():
        with pytest.raises(ArgumentError, match="no variable to save"):
            train.Saver()
        other = gf.Variable(1.0, name="other")
    for var_list, error, match in [
        ([], ArgumentError, "no variable to save"),
        ({}, ArgumentError, "no variable to save"),
        ("w", ArgumentError, "must be a list or dict"),
        (3, ArgumentError, "must be a list or dict"),
        ([w.read()], ArgumentError, "no variable"),
        (["w"], ArgumentError, "no variable"),
        ([w, w], ArgumentError, "two variables would be saved as 'w'"),
        ({"": w}, ArgumentError, "cannot be a name"),
        ({3: w}, ArgumentError, "cannot be a name"),
        ({"__metadata__": w}, ArgumentError, "cannot be a name"),
        ({"x" * 2000: w}, ArgumentError, "cannot be a name"),
        ([w, other], GraphError, "two graphs"),
    ]:
        with pytest.raises(error, match=match):
            train.Saver(var_list)
    for keep in [-1, 1.5, "5", True]:
        with pytest.raises(ArgumentError, match="max_to_keep"):
            train.Saver(max_to_keep=keep)


def test_bad_sessions(tmp_path, model):
    _, _, session = model
    saver = train.Saver(name="mine")
    for call in (saver.save, saver.restore):
        with pytest.raises(ArgumentError, match="mine: a session is needed, not None"):
            call(None, tmp_path / "model")
        with gf.Session(gf.Graph()) as other, pytest.raises(GraphError, match="another graph"):
            call(other, tmp_path / "model")
    path = saver.save(session, tmp_path / "model")
    closed = gf.Session()
    closed.close()
    with pytest.raises((SessionError, UninitializedError)):
        saver.save(closed, tmp_path / "model")
    with pytest.raises(SessionError):
        saver.restore(closed, path)


def test_bad_save_paths(tmp_path, model):
    _, _, session = model
    saver = train.Saver()
    for path in ["", None, 3, "a\0b", ".", "..", f"{tmp_path}/", "/", tmp_path / "checkpoint"]:
        with pytest.raises(ArgumentError):
            saver.save(session, path)
    for path in [tmp_path / "no" / "folder", tmp_path / ("x" * 300), "/proc/model"]:
        with pytest.raises(FormatError) as raised:
            saver.save(session, path)
        assert isinstance(raised.value, OSError)
    with pytest.raises(ArgumentError):
        saver.save(session, tmp_path)
    for step in [-1, 1.5, "3", True]:
        with pytest.raises(ArgumentError, match="global_step"):
            saver.save(session, tmp_path / "model", global_step=step)
    with pytest.raises(DTypeError):
        saver.save(session, tmp_path / "model", global_step=gf.constant(1.5))
    for name in ["a/b", "..", "", "a\\b", 3]:
        with pytest.raises(ArgumentError, match="latest_filename"):
            saver.save(session, tmp_path / "model", latest_filename=name)
    assert names_in(tmp_path) == []


# --- several checkpoints --------------------------------------------------------------------------


def test_the_oldest_are_deleted(tmp_path, model):
    _, _, session = model
    saver = train.Saver(max_to_keep=2)
    for n in range(4):
        saver.save(session, tmp_path / "model", global_step=n)
    assert names_in(tmp_path) == ["checkpoint", "model-2", "model-3"]
    assert saver.last_checkpoints == [str(tmp_path / "model-2"), str(tmp_path / "model-3")]
    state = train.get_checkpoint_state(tmp_path)
    assert state.model_checkpoint_path == str(tmp_path / "model-3")
    assert list(state.all_model_checkpoint_paths) == saver.last_checkpoints
    saver.save(session, tmp_path / "model", global_step=2)  # again: now the newest
    saver.save(session, tmp_path / "model", global_step=9)
    assert names_in(tmp_path) == ["checkpoint", "model-2", "model-9"]


@pytest.mark.parametrize("keep", [None, 0])
def test_all_are_kept(tmp_path, model, keep):
    _, _, session = model
    saver = train.Saver(max_to_keep=keep)
    for n in range(8):
        saver.save(session, tmp_path / "model", global_step=n)
    assert len(names_in(tmp_path)) == 9


def test_a_later_process_takes_over_the_list(tmp_path, model):
    _, _, session = model
    first = train.Saver(max_to_keep=2)
    for n in range(2):
        first.save(session, tmp_path / "model", global_step=n)
    second = train.Saver(max_to_keep=2)
    second.set_last_checkpoints(train.get_checkpoint_state(tmp_path).all_model_checkpoint_paths)
    second.save(session, tmp_path / "model", global_step=2)
    assert names_in(tmp_path) == ["checkpoint", "model-1", "model-2"]


def test_the_state_file_can_be_left_alone_or_be_another(tmp_path, model):
    _, _, session = model
    saver = train.Saver(max_to_keep=1)
    saver.save(session, tmp_path / "a", write_state=False)
    assert names_in(tmp_path) == ["a"]
    assert train.latest_checkpoint(tmp_path) is None
    saver.save(session, tmp_path / "b", latest_filename="best")
    assert train.latest_checkpoint(tmp_path) is None
    assert train.latest_checkpoint(tmp_path, "best") == str(tmp_path / "b")


def test_latest_checkpoint_names_only_what_is_there(tmp_path, model):
    _, _, session = model
    saver = train.Saver()
    for n in range(3):
        saver.save(session, tmp_path / "model", global_step=n)
    (tmp_path / "model-2").unlink()
    assert train.latest_checkpoint(tmp_path) == str(tmp_path / "model-1")
    assert train.checkpoint_exists(tmp_path / "model-1")
    assert not train.checkpoint_exists(tmp_path / "model-2")
    assert not train.checkpoint_exists(tmp_path)
    assert train.latest_checkpoint(tmp_path / "nowhere") is None
    assert train.latest_checkpoint(tmp_path / "model-1") is None
    assert not train.checkpoint_exists("x" * 5000)
    with pytest.raises(FormatError, match="too long"):
        train.latest_checkpoint("x" * 5000)
    with pytest.raises(ArgumentError):
        train.latest_checkpoint(None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"3",
        b'{"version": 1}',
        b'{"version": "1", "model_checkpoint_path": "m", "all_model_checkpoint_paths": ["m"]}',
        b'{"version": 2, "model_checkpoint_path": "m", "all_model_checkpoint_paths": ["m"]}',
        b'{"version": true, "model_checkpoint_path": "m", "all_model_checkpoint_paths": ["m"]}',
        b'{"version": 1, "model_checkpoint_path": "../m", "all_model_checkpoint_paths": ["m"]}',
        b'{"version": 1, "model_checkpoint_path": "/etc/passwd", "all_model_checkpoint_paths": ["m"]}',
        b'{"version": 1, "model_checkpoint_path": "m", "all_model_checkpoint_paths": ["..", "m"]}',
        b'{"version": 1, "model_checkpoint_path": "m", "all_model_checkpoint_paths": ["a\\\\b"]}',
        b'{"version": 1, "model_checkpoint_path": "C:m", "all_model_checkpoint_paths": []}',
        b'{"version": 1, "model_checkpoint_path": "m\\u0000", "all_model_checkpoint_paths": []}',
        b'{"version": 1, "model_checkpoint_path": null, "all_model_checkpoint_paths": []}',
        b'{"version": 1, "model_checkpoint_path": "m", "all_model_checkpoint_paths": {"m": 1}}',
        b"[" * 100_000,
        b"\x80\x04\x95.",
    ],
    ids=range(18),
)
def test_state_files_that_are_none(tmp_path, text):
    (tmp_path / "checkpoint").write_bytes(text)
    with pytest.raises(FormatError):
        train.get_checkpoint_state(tmp_path)
    with pytest.raises(FormatError):
        train.latest_checkpoint(tmp_path)


def test_a_state_file_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "checkpoint")
    with pytest.raises(FormatError, match="pipe"):
        train.latest_checkpoint(tmp_path)


def test_the_state_file_is_readable_json(tmp_path, model):
    _, _, session = model
    train.Saver().save(session, tmp_path / "model", global_step=1)
    assert json.loads((tmp_path / "checkpoint").read_text()) == {
        "version": 1,
        "model_checkpoint_path": "model-1",
        "all_model_checkpoint_paths": ["model-1"],
    }


# --- saves that fail ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["open", "fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), OSError(errno.EROFS, "read-only"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_each_step_of_a_save_may_fail(tmp_path, model, monkeypatch, name, error, call):
    """Whatever call fails: a complete checkpoint stays the latest, no temporary file stays, the next save works."""
    w, _, session = model
    saver = train.Saver(max_to_keep=1)
    saver.save(session, tmp_path / "model", global_step=1)
    w.load([7.0, 8.0], session)
    real, calls = getattr(os, name), []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == call + 1:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, failing)
    failed = False
    try:
        saver.save(session, tmp_path / "model", global_step=2)
    except (FormatError, KeyboardInterrupt):
        failed = True
    monkeypatch.undo()
    assert not [n for n in names_in(tmp_path) if n not in ("checkpoint", "model-1", "model-2")]
    latest = train.latest_checkpoint(tmp_path)
    assert latest in (str(tmp_path / "model-1"), str(tmp_path / "model-2"))
    if call == 0:
        assert failed
        assert latest == str(tmp_path / "model-1")
    saver.restore(session, latest)
    assert values(session)[0] == ([1.0, 2.0] if latest.endswith("1") else [7.0, 8.0])
    saver.save(session, tmp_path / "model", global_step=3)
    assert names_in(tmp_path) == ["checkpoint", "model-3"]


def test_a_failed_save_to_the_same_path_keeps_the_old_content(tmp_path, model, monkeypatch):
    w, _, session = model
    saver = train.Saver()
    path = Path(saver.save(session, tmp_path / "model"))
    before = path.read_bytes()
    w.load([7.0, 8.0], session)

    def refuse(*args, **kwargs):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FormatError, match="cannot write") as raised:
        saver.save(session, path)
    assert raised.value.__cause__.errno == errno.EIO
    assert path.read_bytes() == before


def test_a_disk_that_is_full(tmp_path):
    """A limit on the size of files, which fails as a full disk does: in the middle of a write."""
    gf.Variable(np.ones(100_000), name="w")
    saver = train.Saver()
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        path = saver.save(session, tmp_path / "model")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(FormatError, match="File too large"):
                saver.save(session, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert names_in(tmp_path) == ["checkpoint", "model"]
        saver.restore(session, path)


def test_a_killed_process_leaves_a_checkpoint_that_loads(tmp_path):
    """kill -9 at some moment of endless saving: the latest checkpoint is complete, its values belong together."""
    program = """
import sys, numpy as np, graphflow as gf
from graphflow import train
a, b = gf.Variable(np.zeros(20_000), name="a"), gf.Variable(np.zeros(()), name="b")
both = gf.group(a.assign_add(np.ones(20_000)), b.assign_add(1.0))
saver = train.Saver(max_to_keep=2)
with gf.Session() as session:
    session.run(gf.global_variables_initializer())
    for n in range(1_000_000):
        session.run(both)
        saver.save(session, sys.argv[1] + "/model", global_step=n)
        if n == 1:
            print("going", flush=True)
"""
    root = str(Path(gf.__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", program, str(tmp_path)]
    a, b = gf.Variable(np.zeros(20_000), name="a"), gf.Variable(np.zeros(()), name="b")
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"going\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    latest = train.latest_checkpoint(tmp_path)
    with gf.Session() as session:
        train.Saver().restore(session, latest)
        value_a, value_b = session.run([a, b])
    assert value_b >= 1
    assert (value_a == value_b).all()
    strays = [n for n in names_in(tmp_path) if not n.startswith(("model-", "checkpoint"))]
    assert len(strays) <= 1
    assert all(n.endswith(".tmp") for n in strays)


# --- other processes and other people -------------------------------------------------------------


def test_a_planted_link_is_replaced_and_not_followed(tmp_path, model):
    _, _, session = model
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("model", "checkpoint"):
        (folder / name).symlink_to(victim)
    path = train.Saver().save(session, folder / "model")
    assert victim.read_text() == "precious"
    assert not Path(path).is_symlink()
    assert not (folder / "checkpoint").is_symlink()
    train.Saver().restore(session, path)


def test_names_of_temporary_files_cannot_be_foreseen(tmp_path, model, monkeypatch):
    _, _, session = model
    seen = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: seen.append(str(a)) or replace(a, b))
    saver = train.Saver()
    for _ in range(3):
        saver.save(session, tmp_path / "model")
    assert len(set(seen)) == 6
    assert {Path(name).parent for name in seen} == {tmp_path}


def test_saving_over_a_file_that_is_mapped_into_memory(tmp_path, model):
    w, _, session = model
    saver = train.Saver()
    path = saver.save(session, tmp_path / "model")
    mapped = np.memmap(path, np.uint8, mode="r")
    before = mapped.tobytes()
    w.load([7.0, 8.0], session)
    saver.save(session, path)
    assert mapped.tobytes() == before


def test_two_savers_at_once_and_a_reader(tmp_path):
    """What is restored is one save's values, old or new, never a mixture."""
    a, b = gf.Variable(np.zeros(1000), name="a"), gf.Variable(np.zeros(()), name="b")
    faults = []
    path = tmp_path / "model"

    def save(number):
        try:
            with gf.Session(a.graph) as session:
                for n in range(15):
                    value = float(100 * number + n)
                    session.load_all({a: np.full(1000, value), b: value})
                    train.Saver([a, b]).save(session, path)
        except Exception as error:  # noqa: BLE001 whatever it is, the test must see it
            faults.append(error)

    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        train.Saver().save(session, path)
        threads = [threading.Thread(target=save, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        reads = 0
        while any(thread.is_alive() for thread in threads) or not reads:
            try:
                train.Saver([a, b]).restore(session, path)
            except FormatError as error:
                assert "replaced" in str(error)  # noqa: PT017 an error is allowed here, but only this one
                continue
            value_a, value_b = session.run([a, b])
            assert (value_a == value_b).all()
            reads += 1
        for thread in threads:
            thread.join()
    assert faults == []
    assert names_in(tmp_path) == ["checkpoint", "model"]


def test_one_saver_used_by_several_threads(tmp_path, model):
    _, _, session = model
    saver = train.Saver(max_to_keep=2)
    faults = []

    def save(number):
        try:
            for n in range(5):
                saver.save(session, tmp_path / "model", global_step=10 * number + n)
        except Exception as error:  # noqa: BLE001 whatever it is, the test must see it
            faults.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert names_in(tmp_path) == ["checkpoint", *sorted(Path(p).name for p in saver.last_checkpoints)]
    assert len(saver.last_checkpoints) == 2


def test_repr():
    gf.Variable(1.0)
    assert repr(train.Saver(name="mine")) == "<Saver 'mine' of 1 variables>"
