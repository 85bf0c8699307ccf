"""Bad inputs as a table: what is asked, which error it is, and what the message must say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphflow as gf

__all__ = ["Refused", "check_bound", "check_built", "floats", "ids"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that must fail with `error`, whose message holds every one of `words`."""

    build: Callable[..., Any]
    error: type[Exception]
    words: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        return " ".join(self.words)


def ids(case: Any) -> str:
    """A test's id."""
    return str(case).replace("\n", " ")[:60]


def floats(*shape: int) -> Any:
    """A placeholder of that shape."""
    return gf.placeholder("float32", shape)


def check_built(case: Refused) -> None:
    """The call fails while the graph is built; a good node can still be made afterwards."""
    with pytest.raises(case.error) as caught:
        case.build(*[floats(*s) for s in case.shapes])
    _check_words(case, caught.value)
    good = gf.add(floats(2), 1.0)
    assert good.type.shape == (2,)


def check_bound(case: Refused) -> None:
    """The same call on unknown sizes is accepted, and fails before the run, naming the user's line."""
    placeholders = [gf.placeholder("float32", (None,) * len(s)) for s in case.shapes]
    made = case.build(*placeholders)
    outputs = list(made) if isinstance(made, (tuple, list)) else [made]
    feeds = {t: np.zeros(s, np.float32) for t, s in zip(placeholders, case.shapes, strict=True)}
    session = gf.Session()
    with pytest.raises(case.error) as caught:
        session.run(outputs, feeds)
    _check_words(case, caught.value)
    assert "made at" in str(caught.value)


def _check_words(case: Refused, error: BaseException) -> None:
    text = str(error)
    for word in case.words:
        assert word in text, text
    assert len(text) < 4000
