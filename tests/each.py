"""One check on many cases in one test: a test of its own for each would take longer to start than to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import pytest

import graphflow as gf

__all__ = ["Each"]

MAX_SHOWN = 10
"""Failures that are shown in full; of the others there are the names."""

Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class Each:
    """What the fixture `each` gives: `each(cases, check)` runs `check(case)` for every case, whichever of them fail.

    only: run just the cases with this text in their name, as `--case` asks; None for all.
    """

    only: str | None = None

    def __call__(self, cases: Iterable[Case], check: Callable[[Case], object]) -> None:
        """Raise what failed, each failure naming its case; a case's name is its `name`, or else what it prints.

        Each case begins with an empty default graph. A case that skips counts as a failure: it would hide the others.
        Raises ValueError where there are no cases, or two of one name.
        """
        given = list(cases)
        named = {str(getattr(case, "name", case)): case for case in given}
        if not named or len(named) < len(given):
            raise ValueError(f"{len(given)} cases with {len(named)} names")
        chosen = {name: case for name, case in named.items() if self.only is None or self.only in name}
        if not chosen:
            # asked for by `--case`, never otherwise: most tests have no case of that name, and have not failed by that
            pytest.skip(f"--case: none of {len(named)} has {self.only!r} in its name")
        failures: dict[str, BaseException] = {}
        for name, case in chosen.items():
            gf.reset_default_graph()
            try:
                check(case)
            except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001 raised below
                error.add_note(f"in case {name!r}; `--case {name!r}` runs it alone")
                failures[name] = error
        if len(failures) == 1:
            raise next(iter(failures.values()))
        if failures:
            summary = f"{len(failures)} of {len(chosen)} cases fail: {', '.join(map(repr, failures))}"
            raise BaseExceptionGroup(summary, list(failures.values())[:MAX_SHOWN])
