"""Graphs to save, and saved files to spoil."""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import graphflow as gf

FRAME = 52  # bytes before the header


def build_model() -> dict[str, Any]:
    """A bit of everything, in the default graph; gives the tensors by name."""
    gf.random.set_seed(7)
    x = gf.placeholder("float32", ("batch", 3), name="x")
    u = gf.placeholder("float64", (None, None), name="u")
    w = gf.Variable(np.arange(12.0, dtype="float32").reshape(3, 4), name="w")
    b = gf.Variable(np.zeros(4, "float32"), name="b", trainable=False)
    with gf.name_scope("hidden"), gf.device("cpu"):
        y = gf.tanh(x @ w + b, name="y")
    more = gf.placeholder("float64", (None, None), name="more")
    rows = gf.concat([u, more], axis=0)[1:]
    noise = gf.random.uniform((3,))
    loss = gf.mean(y * y)
    (g,) = gf.gradients(loss, [w])
    scale = gf.reshape(gf.placeholder("float64", name="scale"), ())
    start = [0, gf.constant(1.0, "float64")]
    branch = gf.cond(gf.sum(y) > 0, lambda: y * 2.0, lambda: y - gf.random.uniform(()))
    count, total = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 2.0 + gf.sum(u) * scale), start)
    (gu,) = gf.gradients(total, [u])
    with gf.control_dependencies([gf.Assert(gf.all(gf.isfinite(y)), ["y is", y])]):
        step = gf.identity(w.assign_sub(0.1 * g), name="step")
    after = w.read() + 1.0
    gf.get_default_graph().add_to_collection("losses", loss)
    gf.get_default_graph().add_to_collection(
        "settings", ("adam", 0.5, -0.0, float("nan"), 3, None, True, 2 + 1j)
    )
    gf.global_variables_initializer()
    found = {"y": y, "rows": rows, "noise": noise, "loss": loss, "g": g, "branch": branch, "count": count}
    return {**found, "total": total, "gu": gu, "step": step, "after": after}


def feeds() -> dict[str, Any]:
    """What `build_model` needs."""
    rng = np.random.default_rng(0)
    return {
        "x:0": rng.normal(size=(2, 3)).astype("float32"),
        "u:0": rng.normal(size=(2, 5)),
        "more:0": rng.normal(size=(3, 5)),
        "scale:0": 0.25,
    }


def build_tiny() -> gf.Graph:
    """A graph whose file is small enough to change every byte of it, and every value."""
    graph = gf.Graph()
    with graph.as_default():
        x = gf.placeholder("float32", (None,), name="x")
        v = gf.Variable(2.0, name="v")
        gf.cond(v > 1.0, lambda: x * v, lambda: x)
    return graph


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header of a saved graph, and the bytes of its constants."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[44:FRAME])
    return json.loads(data[FRAME : FRAME + length]), data[FRAME + length :]


def sealed(header: Any, blob: bytes, version: int = 1) -> bytes:
    """A file with a checksum that fits, whatever it holds; `header` is text, or what becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    rest = struct.pack("<Q", len(text)) + text + blob
    return b"GRAPHFLW" + struct.pack("<I", version) + hashlib.sha256(rest).digest() + rest


def changed(header: Any, junk: list[Any], step: int) -> Iterator[tuple[str, Any]]:
    """Copies of a header, each with one value replaced by junk, dropped, repeated, or beside an unknown key.

    step: only every so many of all such changes.
    """
    for number, (what, path, edit) in enumerate(_edits(header, junk)):
        if number % step == 0:
            yield what, _edited(header, path, edit)


def _edits(header: Any, junk: list[Any]) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    for path in list(_paths(header, ())):
        for value in junk:
            yield f"{path} = {value!r}"[:200], path, lambda box, key, v=value: box.__setitem__(key, v)
        yield f"del {path}", path, lambda box, key: box.__delitem__(key)
        if isinstance(path[-1], int):
            yield f"{path} twice", path, lambda box, key: box.insert(key, copy.deepcopy(box[key]))
        else:
            yield f"unknown key beside {path}", path, lambda box, key: box.__setitem__("__class__", 1)


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _edited(header: Any, path: tuple[Any, ...], edit: Any) -> Any:
    """A copy of the header, whole only along the path: the rest is shared, and nobody writes to it."""
    made = box = copy.copy(header)
    for key in path[:-1]:
        box[key] = copy.copy(box[key])
        box = box[key]
    edit(box, path[-1])
    return made
