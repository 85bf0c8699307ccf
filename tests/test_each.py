"""Many cases in one test: every failure is told with the name of its case, and none hides another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import graphflow as gf
from tests.each import MAX_SHOWN, Each
from tests.longest import LONGEST


def _fails_on(*bad: int) -> Callable[[int], None]:
    def check(case: int) -> None:
        assert case not in bad, f"{case} is bad"

    return check


def test_every_case_runs_in_an_empty_graph() -> None:
    seen: list[tuple[str, int]] = []

    def check(case: str) -> None:
        seen.append((case, len(gf.get_default_graph())))
        gf.constant(1.0)

    Each()(["a", "b", "c"], check)
    assert seen == [("a", 0), ("b", 0), ("c", 0)]


def test_a_failure_is_raised_as_it_is_with_its_case() -> None:
    with pytest.raises(AssertionError, match="3 is bad") as error:
        Each()(range(9), _fails_on(3))
    assert error.value.__notes__ == ["in case '3'; `--case '3'` runs it alone"]


def test_all_failures_are_named_and_the_first_are_shown() -> None:
    bad = tuple(range(1, 2 * MAX_SHOWN))
    with pytest.raises(BaseExceptionGroup, match=r"19 of 30 cases fail: '1', '2', .*, '19'") as error:
        Each()(range(30), _fails_on(*bad))
    assert len(error.value.exceptions) == MAX_SHOWN
    assert [e.__notes__[0].split("'")[1] for e in error.value.exceptions] == [str(k) for k in bad[:MAX_SHOWN]]


@pytest.mark.parametrize("give_up", [pytest.skip, pytest.fail])
def test_a_case_that_skips_fails_and_hides_no_other(give_up: Callable[[str], None]) -> None:
    def check(case: str) -> None:
        if case == "first":
            give_up("not here")
        raise ValueError("wrong")

    with pytest.raises(BaseExceptionGroup) as error:
        Each()(["first", "second"], check)
    assert [type(e) for e in error.value.exceptions][1] is ValueError


@pytest.mark.parametrize("cases", [[], ["a", "a"]])
def test_no_cases_and_names_that_are_there_twice_are_errors(cases: list[str]) -> None:
    with pytest.raises(ValueError, match=f"{len(cases)} cases with"):
        Each()(cases, print)


def test_an_option_leaves_the_cases_with_a_text_in_their_name() -> None:
    seen: list[str] = []
    Each(only="an")(["banana", "cherry", "mango"], seen.append)
    assert seen == ["banana", "mango"]
    with pytest.raises(pytest.skip.Exception, match="none of 1 has 'x'"):
        Each(only="x")(["banana"], seen.append)


def test_the_files_that_run_first_are_there() -> None:
    root = Path(__file__).parent
    assert [name for name in LONGEST if not (root / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
