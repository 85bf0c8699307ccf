"""Files appear whole or not at all, and only plain files are read."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from graphflow.errors import ArgumentError, FileError, FormatError, GraphflowError, MemoryLimitError
from graphflow.files import atomic_write, read_regular

needs_posix = pytest.mark.skipif(os.name == "nt", reason="pipes, links and signals of POSIX")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- reading --------------------------------------------------------------------------------------------------------


def test_reads_all_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_regular(tmp_path / "a", 5) == b"12345"
    assert read_regular(str(tmp_path / "a").encode(), 5) == b"12345"
    (tmp_path / "empty").touch()
    assert read_regular(tmp_path / "empty", 1) == b""


def test_a_file_above_the_limit_is_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    start = time.perf_counter()
    with pytest.raises(MemoryLimitError, match="1,099,511,627,776 bytes, more than the 1,000"):
        read_regular(tmp_path / "sparse", 1000)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("path", ["", "a\0b", 3, None, 1.5, ["a"]])
def test_what_is_no_path(path):
    for call in (lambda: read_regular(path, 10), lambda: atomic_write(path, b"")):
        with pytest.raises(ArgumentError, match=r"not a path|not the name of a file"):
            call()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match="No such file") as info:
        read_regular(tmp_path / "missing", 10)
    assert isinstance(info.value, OSError)
    assert isinstance(info.value, GraphflowError)
    assert info.value.errno == 2


@needs_posix
@pytest.mark.parametrize(
    "kind", ["folder", "pipe", "socket", "device", "endless link", "name that is too long"]
)
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        if len(str(path)) > 100:
            path = Path(tempfile.gettempdir()) / f"graphflow-test-{os.getpid()}"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "endless link":
        path.symlink_to(path)
    else:
        path = tmp_path / ("x" * 300)
    start = time.perf_counter()
    with pytest.raises(FormatError, match=r"not a file|cannot read"):
        read_regular(path, 10**9)
    assert time.perf_counter() - start < 5
    if kind == "socket":
        path.unlink()


# --- writing --------------------------------------------------------------------------------------------------------


def test_writes_and_replaces(tmp_path):
    atomic_write(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"
    atomic_write(tmp_path / "a", iter([b"t", b"", b"wo"]))
    assert (tmp_path / "a").read_bytes() == b"two"
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("no")]
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    def pieces():
        yield b"half"
        raise error

    atomic_write(tmp_path / "a", b"old")
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else FileError):
        atomic_write(tmp_path / "a", pieces())
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


def test_an_error_of_ours_passes_through(tmp_path):
    def pieces():
        yield b"half"
        raise MemoryLimitError("too much")

    with pytest.raises(MemoryLimitError):
        atomic_write(tmp_path / "a", pieces())
    assert names_in(tmp_path) == []


@needs_posix
def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"


@needs_posix
@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = Path("/dev/null") if kind == "device" else tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    before = path.lstat().st_mode
    with pytest.raises(ArgumentError, match=f"is a {kind}; give the name of a file"):
        atomic_write(path, b"")
    assert path.lstat().st_mode == before


@needs_posix
def test_permissions_are_kept(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "a").chmod(0o640)
    atomic_write(tmp_path / "a", b"new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "b", b"new")
    assert (tmp_path / "b").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["missing/a", "x" * 300, "file/a"])
def test_a_place_that_cannot_be_written(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot write"):
        atomic_write(tmp_path / name, b"")
    assert names_in(tmp_path) == ["file"]


def test_names_of_any_script_and_of_full_length(tmp_path):
    for name in ["модель", "模型", "a b'\"", "x" * 255]:
        atomic_write(tmp_path / name, b"1")
        assert read_regular(tmp_path / name, 1) == b"1"


@needs_posix
def test_a_full_disk(tmp_path):
    """A limit on the size of files stands for it."""
    (tmp_path / "a").write_bytes(b"old")
    code = f"""
import resource, signal
from graphflow.errors import FileError
from graphflow.files import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    atomic_write({str(tmp_path / "a")!r}, b"x" * 1_000_000)
except FileError as error:
    print(error)
"""
    assert "too large" in _run(code)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


@needs_posix
def test_a_writer_that_is_killed(tmp_path):
    """What is there is always one whole version."""
    target = tmp_path / "a"
    code = f"""
from graphflow.errors import FileError
from graphflow.files import atomic_write
print("ready", flush=True)
while True:
    for letter in (b"a", b"b"):
        atomic_write({str(target)!r}, letter * 300_000)
"""
    for wait in (0.05, 0.1, 0.15):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=_environment())
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if target.exists():
            assert target.read_bytes() in (b"a" * 300_000, b"b" * 300_000)


def test_writers_and_readers_at_once(tmp_path):
    versions = [bytes([k]) * 100_000 for k in range(4)]
    atomic_write(tmp_path / "a", versions[0])
    faults: list[object] = []

    def write(data):
        for _ in range(5):
            atomic_write(tmp_path / "a", data)

    def read():
        faults.extend(1 for _ in range(50) if read_regular(tmp_path / "a", 10**6) not in versions)

    threads = [threading.Thread(target=write, args=[data]) for data in versions]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert names_in(tmp_path) == ["a"]


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
