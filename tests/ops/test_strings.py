"""Text: constants, feeds and fetches, what is refused, and saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphflow as gf
from graphflow.ops.lookup import LookupTable, index_table_from_tensor
from graphflow.ops.sparse import sparse_tensor_to_dense
from graphflow.ops.strings import (
    as_string,
    reduce_join,
    regex_full_match,
    regex_replace,
    string_join,
    string_length,
    string_split,
    string_to_hash_bucket,
    string_to_number,
    substr,
)


@pytest.mark.parametrize(
    "value", [["a", "bc"], [b"a", b"bc"], np.array(["a", "bc"]), np.array([b"a", b"bc"], object)]
)
def test_constants_and_feeds_take_every_kind_of_text(value):
    x = gf.placeholder("string", [None])
    with gf.Session() as session:
        for got in session.run([gf.constant(value), x], {x: value}):
            assert got.dtype == object
            assert got.tolist() == [b"a", b"bc"]


def test_a_scalar_is_fetched_as_bytes():
    assert gf.constant("w\u00f6rter").eval() == "w\u00f6rter".encode()
    assert string_length("abc").eval() == 3
    assert repr(gf.constant("abc", name="c")) == "<Tensor 'c:0' string[]>"


def test_a_graph_with_text_is_saved_and_loaded(tmp_path: Path):
    with gf.Graph().as_default() as graph:
        x = gf.placeholder("string", [None], name="x")
        index_table_from_tensor(["a", "b"]).lookup(string_join([x, "!"]), name="found")
        gf.constant([["p", "qr"]], name="words")
        gf.save_graph(tmp_path / "g.gfg", graph)
    loaded = gf.load_graph(tmp_path / "g.gfg")
    with gf.Session(loaded) as session:
        assert session.run("found:0", {"x:0": ["a", "b!"]}).tolist() == [-1, -1]
        assert session.run("words:0").tolist() == [[b"p", b"qr"]]


def test_feeds_of_other_than_text_are_refused():
    x = gf.placeholder("string", [None])
    with gf.Session() as session:
        for bad in ([1, 2], [None], ["a", 3], np.zeros(2), {"a"}):
            with pytest.raises(gf.errors.FeedError, match=r"text|was fed"):
                session.run(x, {x: bad})


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t + 1,
        lambda t: t + t,
        lambda t: t < t,
        lambda t: gf.exp(t),
        lambda t: gf.sum(t),
        lambda t: gf.cast(t, "int32"),
        lambda t: gf.matmul(t, t),
        lambda t: gf.maximum(t, t),
        lambda t: gf.zeros_like(t),
        lambda t: gf.ones(2, "string"),
        lambda t: gf.Variable(t),
        lambda t: gf.nn.relu(t),
        lambda t: gf.gradients(t, [t]),
        lambda t: gf.add(t, "a"),
        lambda t: t == 3,
    ],
)
def test_ops_on_numbers_refuse_text(make):
    text = gf.constant(["a", "b"])
    with pytest.raises(gf.errors.GraphflowError, match=r"text|string|number") as caught:
        make(text)
    assert "test_strings.py" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: string_length(3), "takes text, got int64"),
        (lambda: string_length("a", "WORD"), "unit"),
        (lambda: substr("abc", 0, -1), "len must not be negative"),
        (lambda: substr("abc", "x", 1), "pos"),
        (lambda: string_join([]), "list of tensors of text"),
        (lambda: string_join(["a", 3]), "takes text"),
        (lambda: string_join(["a"], separator=b"-"), "separator"),
        (lambda: reduce_join(["a"], axis=1), "axis 1"),
        (lambda: string_split("a b"), "takes a vector"),
        (lambda: string_split(["a b"], sep=3), "sep must be a str"),
        (lambda: regex_replace("a", "(", "x"), "regular expression"),
        (lambda: regex_replace("a", "a", "\\2"), "rewrite"),
        (lambda: regex_replace("a", "a", 3), "rewrite"),
        (lambda: regex_full_match("a", None), "pattern must be a str"),
        (lambda: string_to_hash_bucket("a", 0), "num_buckets"),
        (lambda: string_to_number("1", "bool"), "out_type"),
        (lambda: as_string(1j), "complex"),
        (lambda: as_string(1.0, 1000), "precision"),
        (lambda: LookupTable(["a"], [1, 2], 0), "1 keys for 2 values"),
        (lambda: LookupTable(["a", "a"], [1, 2], 0), "b'a' is given more than once"),
        (lambda: LookupTable([0.5], [1], 0), "keys must be text or integers"),
        (lambda: LookupTable([["a"]], [1], 0), "one axis"),
        (lambda: LookupTable(["a"], [1], "x"), "x"),
        (lambda: LookupTable(["a"], [1], [1]), "scalar"),
        (lambda: index_table_from_tensor(["a"]).lookup([1]), "keys of this table are string"),
        (lambda: gf.constant(["a", 1]), "1 is not text"),
        (lambda: gf.constant(["a", ["b"]]), "text|rectangular"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(gf.errors.GraphflowError, match=message) as caught:
        make()
    assert "test_strings.py" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: string_to_number(x), "b'abc' is no float32"),
        (lambda x: string_to_number(x, "int8"), "no int8"),
        (lambda x: substr(x, 4, 1), "pos 4 is outside b'abc'"),
    ],
)
def test_bad_text_is_refused_at_the_run(make, message):
    x = gf.placeholder("string", [None])
    with gf.Session() as session, pytest.raises(gf.errors.RunError, match=message) as caught:
        session.run(make(x), {x: ["abc"]})
    assert "test_strings.py" in str(caught.value)


def test_words_become_rows_of_numbers():
    """A bag of words as TF1 programs make one: split, look up, to dense."""
    lines = gf.placeholder("string", [None])
    words = string_split(lines)
    ids = words.with_values(index_table_from_tensor(["the", "cat"]).lookup(words.values))
    with gf.Session() as session:
        got = session.run(sparse_tensor_to_dense(ids, -9), {lines: ["the cat", "a", "cat the the"]})
    assert got.tolist() == [[0, 1, -9], [-1, -9, -9], [1, 0, 0]]


def test_the_same_text_has_the_same_bucket_in_every_run():
    assert string_to_hash_bucket(["a", "b", "graph"], 10**6).eval().tolist() == [292928, 857668, 538107]
