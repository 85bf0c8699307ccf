"""The checkpoint format: exact round trips, and no damaged or forged file that is believed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from graphflow.errors import ArgumentError, FormatError, GraphflowError, MemoryLimitError
from graphflow.train import CheckpointReader, checkpoint_file, list_variables, load_variable
from graphflow.train.checkpoint_file import read_header, read_tensors, write_tensors

ZEROS = "0" * 64
TINY = {"w": np.array([1.0, -2.0], np.float32), "b": np.asarray(True)}


def read_all(path: Path) -> dict[str, np.ndarray]:
    header = read_header(path, "test")
    return read_tensors(header, header.entries, "test")


def forge(path: Path, header: Mapping[str, Any] | bytes, data: bytes = b"", version: str = "1") -> Path:
    """A file whose header checksum is right, whatever the header says. A dict gets checksums for its tensors."""
    if isinstance(header, bytes):
        text = header
    else:
        metadata = {"format": "graphflow.checkpoint", "version": version, "header_sha256": ZEROS}
        for name, entry in header.items():
            offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
            if isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(v, int) for v in offsets):
                metadata[f"sha256/{name}"] = hashlib.sha256(data[slice(*offsets)]).hexdigest()
        text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    return sign(path, text, data)


def sign(path: Path, text: bytes, data: bytes = b"") -> Path:
    unsigned = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(unsigned).hexdigest().encode()
    path.write_bytes(unsigned.replace(ZEROS.encode(), digest, 1) + data)
    return path


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    listed = [list(v) if isinstance(v, tuple) else v for v in (shape, offsets)]
    return {"dtype": dtype, "shape": listed[0], "data_offsets": listed[1]}


# --- round trips ----------------------------------------------------------------------------------

NAMES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3), (1,) * 64])
def test_every_dtype_and_shape_comes_back_to_the_bit(tmp_path, shape):
    rng = np.random.default_rng(5)
    arrays = {}
    for dtype in [*map(np.dtype, NAMES), np.dtype(ml_dtypes.bfloat16)]:
        data = rng.integers(0, 2 if dtype.kind == "b" else 256, math.prod(shape) * dtype.itemsize, np.uint8)
        arrays[f"x/{dtype.name}"] = data.view(dtype).reshape(shape)
    write_tensors(tmp_path / "f", arrays)
    found = read_all(tmp_path / "f")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()  # NaN payloads, -0.0 and subnormals too


def test_layouts_that_are_not_in_c_order(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    arrays = {
        "t": x.T,
        "reversed": x[::-1, ::2],
        "broadcast": np.broadcast_to(x[0], (2, 4)),
        "f": np.asfortranarray(x),
    }
    write_tensors(tmp_path / "f", arrays)
    for name, value in read_all(tmp_path / "f").items():
        np.testing.assert_array_equal(value, arrays[name])


@pytest.mark.parametrize(
    "name", ["w", "a/b.c-d", "ü", "名", 'quo"te\\', "\n", "\ud800", "__class__", "../../x", "0" * 64]
)
def test_names_are_text_and_nothing_else(tmp_path, name):
    write_tensors(tmp_path / "f", {name: np.array([1.0])})
    assert list(read_all(tmp_path / "f")) == [name]


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for path in ("a", "b"):
        write_tensors(tmp_path / path, TINY)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_safetensors_reads_what_is_written(tmp_path):
    arrays = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "n": np.asarray(7),
        "z": np.array([1 + 2j, 3j]),
        **TINY,
    }
    write_tensors(tmp_path / "f", arrays)
    found = safetensors.numpy.load_file(tmp_path / "f")
    np.testing.assert_array_equal(found.pop("z"), [[1, 2], [0, 3]])
    assert set(found) == {"w", "n", "b"}
    for name, value in found.items():
        np.testing.assert_array_equal(value, arrays[name])
    with safetensors.safe_open(tmp_path / "f", "np") as file:
        assert file.metadata()["format"] == "graphflow.checkpoint"


def test_each_tensor_is_aligned_to_its_item(tmp_path):
    arrays = {
        "a": np.ones(3, np.int8),
        "b": np.ones(2),
        "c": np.ones(1, np.float16),
        "d": np.ones(1, np.complex64),
    }
    write_tensors(tmp_path / "f", arrays)
    header = read_header(tmp_path / "f", "test")
    for e in header.entries.values():
        size = e.type.dtype.itemsize // (2 if e.type.dtype.kind == "c" else 1)
        assert (header.data_begin + e.begin) % size == 0


def test_reading_a_part_leaves_the_rest_alone(tmp_path):
    write_tensors(tmp_path / "f", {"a": np.ones(4), "b": np.zeros(4)})
    whole = bytearray((tmp_path / "f").read_bytes())
    whole[-1] ^= 1  # the last byte of b
    (tmp_path / "f").write_bytes(whole)
    np.testing.assert_array_equal(load_variable(tmp_path / "f", "a"), np.ones(4))
    with pytest.raises(FormatError, match="damaged: the checksum of 'b'"):
        load_variable(tmp_path / "f", "b")


def test_a_header_that_would_be_too_large_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "HEADER_CAP_NBYTES", 400)
    with pytest.raises(ArgumentError, match="header"):
        write_tensors(tmp_path / "f", {f"w{i}": np.ones(1) for i in range(9)})
    assert list(tmp_path.iterdir()) == []


# --- damage ---------------------------------------------------------------------------------------


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "f"
    write_tensors(path, TINY)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"cut short|no checkpoint|too early|not a graphflow"):
            read_all(path)


@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_every_flipped_byte_is_found(tmp_path, mask):
    path = tmp_path / "f"
    write_tensors(path, TINY)
    whole = path.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= mask
        path.write_bytes(damaged)
        with pytest.raises((FormatError, MemoryLimitError)):
            read_all(path)
        if at < 9:
            with pytest.raises((FormatError, MemoryLimitError)):
                list_variables(path)


@pytest.mark.parametrize("extra", [b"\0", b"\n", b"x" * 4096])
def test_bytes_after_the_end_are_found(tmp_path, extra):
    path = tmp_path / "f"
    write_tensors(path, TINY)
    path.write_bytes(path.read_bytes() + extra)
    with pytest.raises(FormatError, match="bytes to spare"):
        read_all(path)


def test_tensors_exchanged_within_the_data_are_found(tmp_path):
    path = tmp_path / "f"
    write_tensors(path, {"a": np.array([1.0]), "b": np.array([2.0])})
    whole = path.read_bytes()
    path.write_bytes(whole[:-16] + whole[-8:] + whole[-16:-8])
    with pytest.raises(FormatError, match="damaged"):
        read_all(path)


def test_a_file_that_is_replaced_while_it_is_read(tmp_path):
    path = tmp_path / "f"
    write_tensors(path, TINY)
    header = read_header(path, "test")
    write_tensors(path, {**TINY, "b": np.asarray(False)})
    with pytest.raises(FormatError, match="replaced"):
        read_tensors(header, ["w"], "test")


# --- what is no checkpoint ------------------------------------------------------------------------


def other_formats() -> dict[str, bytes]:
    class Evil:
        def __reduce__(self):
            return (os.system, ("exit 1",))

    return {
        "empty": b"",
        "one byte": b"\x07",
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "noise": np.random.default_rng(0).bytes(4096),
        "text": b"hello, this is no checkpoint at all\n" * 9,
        "json": b'{"w": [1, 2]}',
        "pickle": pickle.dumps(Evil()),
        "zip": b"PK\x03\x04" + bytes(100),
        "numpy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'shape': (1,)}" + b" " * 80,
        "safetensors": safetensors.numpy.save({"w": np.ones(3)}),
        "safetensors with metadata": safetensors.numpy.save(
            {"w": np.ones(3)}, {"format": "graphflow.checkpoint"}
        ),
        "header of no bytes": bytes(8),
        "header of 2^63 bytes": (2**63).to_bytes(8, "little") + b"{}",
        "header of 2^64-1 bytes": (2**64 - 1).to_bytes(8, "little") + b"{}",
        "header longer than the file": (100).to_bytes(8, "little") + b'{"__metadata__":{}}',
    }


@pytest.mark.parametrize("kind", other_formats())
def test_other_files(tmp_path, kind):
    path = tmp_path / "f"
    path.write_bytes(other_formats()[kind])
    with pytest.raises(FormatError):
        CheckpointReader(path)


def test_things_that_are_no_regular_files(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in [
            "fifo",
            "loop",
            "dangling",
            "socket",
            "missing",
            "",
            "/dev/zero",
            "/dev/null",
            "missing/x",
            "x" * 5000,
        ]:
            with pytest.raises(FormatError):
                CheckpointReader(tmp_path / path)


@pytest.mark.parametrize("path", [None, 3, "", "a\0b", [], 1.5])
def test_things_that_are_no_paths(path):
    with pytest.raises((ArgumentError, FormatError)):
        CheckpointReader(path)


def test_a_link_to_a_checkpoint_is_followed(tmp_path):
    write_tensors(tmp_path / "f", TINY)
    (tmp_path / "latest").symlink_to("f")
    assert list_variables(tmp_path / "latest") == [("b", []), ("w", [2])]


# --- forged headers, with the right checksum ------------------------------------------------------

EIGHT = bytes(8)
START = (
    b'{"__metadata__":{"format":"graphflow.checkpoint","version":"1","header_sha256":"'
    + ZEROS.encode()
    + b'"'
)

FORGED: dict[str, tuple[Any, bytes]] = {
    "negative offset": ({"w": entry(offsets=(-8, 0))}, EIGHT),
    "reversed offsets": ({"w": entry(offsets=(8, 0))}, EIGHT),
    "past the end": ({"w": entry(offsets=(8, 16))}, EIGHT),
    "hole before": ({"w": entry(offsets=(8, 16))}, EIGHT * 2),
    "hole after": ({"w": entry()}, EIGHT * 2),
    "overlap": ({"w": entry(), "v": entry(offsets=(4, 12))}, bytes(12)),
    "the same bytes twice": ({"w": entry(), "v": entry()}, EIGHT),
    "no data at all": ({"w": entry()}, b""),
    "one offset": ({"w": entry(offsets=(8,))}, EIGHT),
    "three offsets": ({"w": entry(offsets=(0, 4, 8))}, EIGHT),
    "float offsets": ({"w": entry(offsets=(0, 8.0))}, EIGHT),
    "bool offsets": ({"w": entry("U8", (1,), (False, True))}, b"\0"),
    "text offsets": ({"w": entry(offsets="08")}, EIGHT),
    "offsets above 2^63": ({"w": entry(offsets=(2**63, 2**63 + 8))}, EIGHT),
    "overflowing shape": ({"w": entry(shape=(2**62, 4, 2))}, EIGHT),
    "shape that wraps to fit": ({"w": entry(shape=(2**32, 2**32, 2))}, EIGHT),
    "negative dimension": ({"w": entry(shape=(-2,))}, EIGHT),
    "two negative dimensions": ({"w": entry(shape=(-2, -1))}, EIGHT),
    "dimension of 2^63": ({"w": entry(shape=(2**63, 0), offsets=(0, 0))}, b""),
    "float dimension": ({"w": entry(shape=(2.0,))}, EIGHT),
    "no list as shape": ({"w": entry(shape="2")}, EIGHT),
    "nested shape": ({"w": entry(shape=[[2]])}, EIGHT),
    "too many axes": ({"w": entry(shape=(1,) * 65 + (2,))}, EIGHT),
    "65 axes": ({"w": entry("F32", (1,) * 65, (0, 4))}, bytes(4)),
    "wrong item size": ({"w": entry("F64")}, EIGHT),
    "unknown dtype": ({"w": entry("F8")}, EIGHT),
    "object dtype": ({"w": entry("O")}, EIGHT),
    "dtype of another order": ({"w": entry(">f4")}, EIGHT),
    "dtype that is no text": ({"w": entry(["F32"])}, EIGHT),
    "dtype missing": ({"w": {"shape": [2], "data_offsets": [0, 8]}}, EIGHT),
    "surplus key": ({"w": {**entry(), "__class__": "os.system"}}, EIGHT),
    "entry that is no object": ({"w": [0, 8]}, EIGHT),
    "entry that is null": ({"w": None}, b""),
    "no checksum": (START + b'},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', EIGHT),
    "false checksum": (
        START + b',"sha256/w":"00"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        EIGHT,
    ),
    "complex of no pairs": (
        START
        + b',"sha256/w":"","dtype/w":"complex64"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}',
        EIGHT,
    ),
    "complex of other floats": (
        START
        + b',"sha256/w":"","dtype/w":"complex128"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        EIGHT,
    ),
    "complex of a scalar": (
        START + b',"sha256/w":"","dtype/w":"complex64"},"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "unknown true dtype": (
        START + b',"sha256/w":"","dtype/w":"object"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        EIGHT,
    ),
    "metadata that is no text": (START + b',"x":1}}', b""),
    "key twice": (START + b'},"w":0,"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', EIGHT),
    "metadata twice": (START + b'},"__metadata__":{}}', b""),
    "deep nesting": (START + b'},"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b""),
    "not closed": (START + b"}", b""),
    "something after": (START + b"}}x", b""),
    "NaN": (START + b'},"w":NaN}', b""),
    "Infinity": (START + b'},"w":-Infinity}', b""),
    "huge float": (START + b'},"w":1e999}', b""),
    "huge integer": (START + b'},"w":' + b"9" * 10_000 + b"}", b""),
    "invalid UTF-8": (START + b'},"\xff\xfe":0}', b""),
    "NUL": (START + b'},"w":0\0}', b""),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_headers(tmp_path, case):
    path = forge(tmp_path / "f", *FORGED[case])
    with pytest.raises(FormatError) as raised:
        read_all(path)
    assert len(str(raised.value)) < 1000


def test_a_forged_header_that_is_right_is_believed(tmp_path):
    """The forging is not what is refused above."""
    path = forge(
        tmp_path / "f",
        {"w": entry(), "empty": entry("BF16", (0,), (8, 8))},
        np.array([1, 2], "<f4").tobytes(),
    )
    found = read_all(path)
    np.testing.assert_array_equal(found["w"], [1, 2])
    assert found["empty"].shape == (0,)


def test_a_byte_order_mark_is_refused(tmp_path):
    with pytest.raises(FormatError):
        read_all(sign(tmp_path / "f", b"\xef\xbb\xbf" + START + b"}}"))


def test_bools_other_than_0_and_1(tmp_path):
    with pytest.raises(FormatError, match="bools"):
        read_all(forge(tmp_path / "f", {"w": entry("BOOL", (2,), (0, 2))}, b"\x01\x02"))


@pytest.mark.parametrize("version", ["0", "2", "999999999"])
def test_another_version(tmp_path, version):
    with pytest.raises(FormatError, match=rf"version {version}; this graphflow reads version 1"):
        read_header(forge(tmp_path / "f", {}, version=version), "test")


def test_a_header_above_the_cap_is_not_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes((1 << 33).to_bytes(8, "little") + START)
    os.truncate(path, 1 << 34)  # sparse: takes no room on the disk
    with pytest.raises(MemoryLimitError, match="header of 8589934592 bytes"):
        read_header(path, "test")


def test_a_tensor_larger_than_memory_is_not_read(tmp_path, monkeypatch):
    nbytes = 1 << 34
    path = forge(tmp_path / "f", {"w": entry("U8", (nbytes,), (0, nbytes))})
    os.truncate(path, path.stat().st_size + nbytes)
    assert list_variables(path) == [("w", [nbytes])]
    monkeypatch.setattr(checkpoint_file, "_memory_nbytes", lambda: 1 << 33)
    with pytest.raises(MemoryLimitError, match=r"'w' .* uint8\[17179869184\]"):
        load_variable(path, "w")


def test_every_error_is_ours_for_random_headers(tmp_path):
    """Random edits of a good header, signed again."""
    rng = np.random.default_rng(1)
    path = tmp_path / "f"
    write_tensors(path, TINY)
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    text, data = whole[8 : 8 + length], whole[8 + length :]
    digest = json.loads(text)["__metadata__"]["header_sha256"].encode()
    text = text.replace(digest, ZEROS.encode())
    at_least = text.index(ZEROS.encode()) + 65
    refused = 0
    for _ in range(300):
        edited = bytearray(text)
        for _ in range(rng.integers(1, 4)):
            edited[rng.integers(at_least, len(edited))] = rng.choice(
                np.frombuffer(b'{}[]",:0123456789-.eFIU ', np.uint8)
            )
        sign(path, bytes(edited), data)
        try:
            read_all(path)
        except GraphflowError:
            refused += 1
    assert refused > 200


# --- the reader -----------------------------------------------------------------------------------


def test_the_reader(tmp_path):
    write_tensors(tmp_path / "f", TINY)
    reader = CheckpointReader(tmp_path / "f")
    assert reader.get_variable_to_shape_map() == {"w": [2], "b": []}
    assert reader.get_variable_to_dtype_map() == {"w": np.dtype("float32"), "b": np.dtype("bool")}
    assert reader.has_tensor("w")
    assert not reader.has_tensor("x")
    np.testing.assert_array_equal(reader.get_tensor("w"), [1.0, -2.0])
    for name in ["x", None, 3, ["w"]]:
        with pytest.raises(FormatError, match=r"has no .*; it holds 'b', 'w'"):
            reader.get_tensor(name)
