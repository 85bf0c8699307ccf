"""Bytes that are no saved graph: refused with one clear error, quickly, in bounded memory, and nothing is run."""

from __future__ import annotations

import copy
import json
import struct
import sys
import time
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

import graphflow as gf
from graphflow.errors import ArgumentError, FileError, FormatError, MemoryLimitError
from graphflow.save import load_graph, save_graph
from graphflow.save.container import NBYTES_PER_HEADER_BYTE, parse_json
from tests.save.graphs import FRAME, build_tiny, header_of, sealed


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A saved graph: its bytes, header and constants."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.gfg"
    save_graph(path, build_tiny())
    return path.read_bytes(), *header_of(path)


@pytest.fixture
def load(tmp_path):
    """Load bytes as a file."""

    def loaded(data, **options):
        (tmp_path / "x.gfg").write_bytes(data)
        return load_graph(tmp_path / "x.gfg", **options)

    return loaded


# --- the frame ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"GRAPHFL",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"PK\x03\x04",
        b"import os\n",
        b"\x80\x04K\x01.",
        bytes(1000),
    ],
)
def test_another_format(load, data):
    with pytest.raises(FormatError, match="no saved graph"):
        load(data)


def test_truncated_at_every_length(load, tiny):
    for length in range(len(tiny[0])):
        with pytest.raises(FormatError, match=r"no saved graph|cut off|checksum"):
            load(tiny[0][:length])


def test_every_byte_flipped(load, tiny):
    for place in range(len(tiny[0])):
        data = bytearray(tiny[0])
        data[place] ^= 1 << (place % 8)
        with pytest.raises(FormatError, match=r"no saved graph|version|cut off|checksum|MemoryLimit"):
            load(bytes(data))


@pytest.mark.parametrize("extra", [b"\0", b"GRAPHFLW", bytes(5000)])
def test_extra_bytes_at_the_end(load, tiny, extra):
    with pytest.raises(FormatError, match="checksum"):
        load(tiny[0] + extra)
    with pytest.raises(FormatError, match="constants are not readable"):  # with a checksum that fits
        load(sealed(tiny[1], tiny[2] + extra))


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**62, 2**63, 2**64 - 1])
def test_a_header_length_that_lies(load, tiny, length):
    data = bytearray(tiny[0])
    data[44:FRAME] = struct.pack("<Q", length)
    with pytest.raises(FormatError, match=r"cut off|checksum"):
        load(bytes(data))


@pytest.mark.parametrize(
    ("version", "text"), [(0, "version 0"), (2, "newer graphflow"), (2**32 - 1, "4294967295")]
)
def test_other_versions_are_named(load, tiny, version, text):
    with pytest.raises(FormatError, match=text):
        load(sealed(tiny[1], tiny[2], version))


def test_sizes_are_bounded_before_anything_is_read(tmp_path, tiny):
    path = tmp_path / "sparse.gfg"
    with path.open("wb") as file:
        file.write(tiny[0])
        file.truncate(1 << 40)
    start = time.perf_counter()
    with pytest.raises(MemoryLimitError, match="the limit is 8,589,934,592; say memory_limit="):
        load_graph(path)
    assert time.perf_counter() - start < 5


def test_the_memory_limit_is_the_callers(load, tiny):
    assert len(load(tiny[0], memory_limit="1MB")) == 8
    with pytest.raises(MemoryLimitError, match=r"may need .* bytes to load"):
        load(tiny[0], memory_limit="1kB")
    for wrong in ("lots", 0, -1, None, 1.5j):
        with pytest.raises(ArgumentError, match="memory_limit"):
            load(tiny[0], memory_limit=wrong)


def test_the_forecast_of_memory_is_kept(tmp_path):
    graph = gf.Graph()
    with graph.as_default():
        x = gf.placeholder("float32", (3,), name="x")
        for _ in range(3000):
            x = gf.sin(x, name="s")
    save_graph(tmp_path / "x.gfg", graph)
    size = (tmp_path / "x.gfg").stat().st_size
    load_graph(tmp_path / "x.gfg")  # what is imported on first use is not the file's
    tracemalloc.start()
    load_graph(tmp_path / "x.gfg")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < NBYTES_PER_HEADER_BYTE * size


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("dims", lambda k: [[[0], k % 3 + 1]]),
        ("types", lambda k: ["bool", []]),
        ("places", lambda k: ["", 0, ""]),
        ("nodes", lambda k: {"op": "no_op", "name": f"{k:x}", "types": []}),
        (
            "nodes",
            lambda k: {
                "op": "no_op",
                "name": f"{k:x}",
                "types": [],
                "cause": {"name": f"{k:x}", "place": None},
            },
        ),
    ],
)
def test_a_small_file_cannot_take_much_memory(tmp_path, tiny, table, row):
    header = copy.deepcopy(tiny[1])
    rows = header["graphs"][0] if table == "nodes" else header[table]
    rows.extend(row(k) for k in range(3000))
    path = tmp_path / "x.gfg"
    path.write_bytes(sealed(header, tiny[2]))
    load_graph(path)
    tracemalloc.start()
    load_graph(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < NBYTES_PER_HEADER_BYTE * path.stat().st_size


def test_missing_files_and_wrong_arguments(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        load_graph(tmp_path / "missing.gfg")
    with pytest.raises(FormatError, match="is a folder"):
        load_graph(tmp_path)
    for path in (None, 3, "", "a\0b"):
        with pytest.raises(ArgumentError):
            load_graph(path)
        with pytest.raises(ArgumentError):
            save_graph(path, gf.Graph())
    with pytest.raises(ArgumentError, match="graph must be a Graph"):
        save_graph(tmp_path / "x", 3)
    with pytest.raises(ArgumentError, match="into must be a Graph"):
        load_graph(tmp_path / "x", into="y")


# --- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{}", "lacks"),
        (b"{", "no JSON"),
        (b'{"a":1} x', "no JSON"),
        (b'{"a":1}{"a":1}', "no JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":1,"\\u0061":2}', "twice"),
        (b'{"a":[{"b":1,"c":2,"b":1}]}', "twice"),
        (b'{"a":NaN}', "fractions"),
        (b'{"a":-Infinity}', "fractions"),
        (b'{"a":1.5}', "fractions"),
        (b'{"a":1e999}', "fractions"),
        (b'{"a":' + b"9" * 101 + b"}", "integer of 101 digits"),
        (b'{"a":' + b"9" * 1_000_000 + b"}", "integer of 1000000 digits"),
        (b'\xef\xbb\xbf{"a":1}', "no JSON"),
        (b'{"a":"\xff"}', "no JSON"),
        ('{"a":1}'.encode("utf-16"), "no JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper"),
        (b'{"' + b'\\"' * 500_000, "no JSON"),  # one endless string
        (b'{"a":"\n"}', "no JSON"),
        (b"{'a':1}", "no JSON"),
        (b'{"a":0x10}', "no JSON"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_json_is_read_strictly(load, tiny, text, message):
    start = time.perf_counter()
    with pytest.raises(FormatError, match=message):
        load(sealed(text, tiny[2]))
    assert time.perf_counter() - start < 5


def test_brackets_in_strings_are_no_nesting():
    assert parse_json(json.dumps({"a": "[{" * 1000 + '"\\"['}).encode()) == {"a": "[{" * 1000 + '"\\"['}


# --- the constants --------------------------------------------------------------------------------------------------


def tensors(header: dict[str, object], data: bytes) -> bytes:
    """A safetensors part with any header."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        bytes(8),
        b"\xff" * 8,
        save_tensors({}),
        save_tensors({"0": np.float32(2.0)[None][0:1].reshape(())}),  # one is missing
        save_tensors({"0": np.zeros((), "float32"), "2": np.zeros((), "float32")}),
        save_tensors({"0": np.zeros((), "float64"), "1": np.zeros((), "float32")}),
        save_tensors({"0": np.zeros(1, "float32"), "1": np.zeros((), "float32")}),
        save_tensors({str(k): np.zeros((), "float32") for k in range(3)}),
        tensors({"0": entry(), "1": entry()}, bytes(4)),  # overlapping
        tensors({"0": entry(), "1": entry(offsets=(8, 12))}, bytes(12)),  # with a hole
        tensors({"0": entry(), "1": entry(offsets=(4, 8))}, bytes(4)),  # past the end
        tensors({"0": entry(offsets=(4, 0)), "1": entry(offsets=(4, 8))}, bytes(8)),  # reversed
        tensors({"0": entry(offsets=(-4, 0)), "1": entry(offsets=(0, 4))}, bytes(8)),
        tensors({"0": entry(), "1": entry(shape=(2**40, 2**40), offsets=(4, 8))}, bytes(8)),
        tensors({"0": entry(), "1": entry(shape=(-1,), offsets=(4, 8))}, bytes(8)),
        tensors({"0": entry(), "1": entry("BF16", (2,), (4, 8))}, bytes(8)),
        tensors({"0": entry(), "1": entry("O", (), (4, 8))}, bytes(8)),
        tensors({"0": entry(), "1": entry("F8_E4M3", (4,), (4, 8))}, bytes(8)),
    ],
)
def test_constants_that_do_not_fit(load, tiny, blob):
    with pytest.raises(FormatError, match="constant"):
        load(sealed(tiny[1], blob))


def test_a_bool_that_is_neither_true_nor_false(load, tmp_path):
    graph = gf.Graph()
    with graph.as_default():
        gf.constant([True, False])
    save_graph(tmp_path / "b.gfg", graph)
    header, blob = header_of(tmp_path / "b.gfg")
    assert len(load(sealed(header, blob))) == 1
    with pytest.raises(FormatError, match="constant 0"):
        load(sealed(header, blob[:-2] + b"\x02\x00"))


# --- never code -----------------------------------------------------------------------------------------------------


def test_text_that_looks_like_code_stays_text(load, tmp_path):
    hostile = "__import__('os').system('touch pwned')"
    graph = gf.Graph()
    with graph.as_default():
        x = gf.constant(1.0)
        with gf.control_dependencies(
            [gf.Assert(x > 0, [hostile, "{0.__class__.__mro__}", "%s%s%n", "!!python/object"])]
        ):
            gf.identity(x, name="y")
        graph.add_to_collection("__class__", hostile)
    save_graph(tmp_path / "h.gfg", graph)
    header, blob = header_of(tmp_path / "h.gfg")
    header["places"] = [[hostile, 1, "__reduce__"] for _ in header["places"]]
    before = set(sys.modules)
    made = load(sealed(header, blob))
    assert set(sys.modules) == before
    assert made.get_collection("__class__") == [hostile]
    assert gf.Session(made).run("y:0") == 1.0
    assert made.get_operation_by_name("y").origin.file == hostile
