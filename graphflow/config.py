"""Settings: one frozen record in a context variable, filled from GRAPHFLOW_* at import.

| field           | environment               | meaning                                                      |
|-----------------|---------------------------|--------------------------------------------------------------|
| default_float   | GRAPHFLOW_FLOAT           | dtype of Python floats: "float32" or "float64"               |
| verify          | GRAPHFLOW_VERIFY          | check the graph between passes and every plan                |
| certify         | GRAPHFLOW_CERTIFY         | check every plan by the certifier                            |
| disabled_passes | GRAPHFLOW_DISABLED_PASSES | names of passes that no session runs, with commas in between |
| loop_limit      | GRAPHFLOW_LOOP_LIMIT      | iterations after which a `while_loop` is called endless      |
| repeat_limit    | GRAPHFLOW_REPEAT_LIMIT    | equal nodes one line may make before it is warned about      |
|                 | GRAPHFLOW_BLAS            | who multiplies matrices on the CPU: "auto", "mkl" or "numpy" |
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields

from graphflow.errors import ArgumentError, shorten

__all__ = ["Settings", "get", "override", "set"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the table above lists."""

    default_float: str = "float32"
    verify: bool = False
    certify: bool = False
    disabled_passes: tuple[str, ...] = ()
    loop_limit: int = 1_000_000_000
    repeat_limit: int = 1000

    def __post_init__(self) -> None:
        if self.default_float not in ("float32", "float64"):
            raise ArgumentError(
                f"config: default_float is 'float32' or 'float64', not {shorten(self.default_float)}"
            )
        names = self.disabled_passes
        if not isinstance(names, tuple) or any(not isinstance(name, str) for name in names):
            raise ArgumentError(
                f"config: disabled_passes is a tuple of names of passes, not {shorten(names)}"
            )
        for name in ("loop_limit", "repeat_limit"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"config: {name} is a positive int, not {shorten(value)}")


def _integer(name: str, fallback: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else fallback
    except ValueError:
        raise ArgumentError(f"environment: {name} is an int, not {shorten(text)}") from None


def _from_environment() -> Settings:
    base = Settings()
    return Settings(
        default_float=os.environ.get("GRAPHFLOW_FLOAT", base.default_float),
        verify=os.environ.get("GRAPHFLOW_VERIFY", "0") not in ("", "0"),
        certify=os.environ.get("GRAPHFLOW_CERTIFY", "0") not in ("", "0"),
        disabled_passes=tuple(
            filter(None, map(str.strip, os.environ.get("GRAPHFLOW_DISABLED_PASSES", "").split(",")))
        ),
        loop_limit=_integer("GRAPHFLOW_LOOP_LIMIT", base.loop_limit),
        repeat_limit=_integer("GRAPHFLOW_REPEAT_LIMIT", base.repeat_limit),
    )


_current: ContextVar[Settings] = ContextVar("graphflow_settings", default=_from_environment())  # noqa: B039 frozen


def get() -> Settings:
    """The settings in force."""
    return _current.get()


def _changed(values: dict[str, object]) -> Settings:
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            raise ArgumentError(f"config: no setting {shorten(name)}; settings: {', '.join(known)}")
    now = _current.get()
    merged = {name: values.get(name, getattr(now, name)) for name in known}
    return Settings(**merged)  # type: ignore[arg-type]  # checked by __post_init__


def set(**values: object) -> None:
    """Change settings from here on, in this context. Raises ArgumentError for an unknown name or value."""
    _current.set(_changed(values))


@contextmanager
def override(**values: object) -> Iterator[Settings]:
    """Change settings inside a `with` block."""
    token = _current.set(_changed(values))
    try:
        yield _current.get()
    finally:
        _current.reset(token)
