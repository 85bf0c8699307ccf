"""Samples of einsum."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

import graphflow as gf
from tests.ops.table import Sample, array

M34, M45 = array(3, 4, seed=1), array(4, 5, seed=2)
B234, B245, B145 = array(2, 3, 4, seed=4), array(2, 4, 5, seed=5), array(1, 4, 5, seed=6)
B3134 = array(3, 1, 3, 4, seed=7)
V3, V4 = array(3, seed=8), array(4, seed=9)
EMPTY = np.zeros((3, 0))
COMPLEX = array(3, 4, seed=10) + 1j * array(3, 4, seed=11)
INTS = array(3, 4, dtype=np.int32, seed=12, low=-9, high=9)


def _product(a: Any, b: Any) -> Any:
    """The matrix product by its definition."""
    return (a[..., :, :, None] * b[..., None, :, :]).sum(axis=-2)


def _summed(equation: str, *arrays: Any) -> Any:
    """einsum by its definition: one Python loop over every combination of label values."""
    left, right = equation.replace(" ", "").split("->")
    sizes: dict[str, int] = {}
    for term, x in zip(left.split(","), arrays, strict=True):
        sizes.update(zip(term, x.shape, strict=True))
    letters = sorted(sizes)
    y = np.zeros([sizes[c] for c in right], np.result_type(*arrays))
    for index in np.ndindex(*[sizes[c] for c in letters]):
        at = dict(zip(letters, index, strict=True))
        product = 1
        for term, x in zip(left.split(","), arrays, strict=True):
            product = product * x[tuple(at[c] for c in term)]
        y[tuple(at[c] for c in right)] += product
    return y


def _einsums() -> list[Sample]:
    square, cube = array(3, 3, seed=15), array(3, 3, 3, seed=16)
    cases: list[tuple[str, str, tuple[Any, ...]]] = [
        ("ij,jk->ik", "ij,jk->ik", (M34, M45)),
        ("ij,jk", "ij,jk->ik", (M34, M45)),
        ("ba", "ba->ab", (M34,)),
        ("ij->", "ij->", (M34,)),
        ("ij->j", "ij->j", (M34,)),
        ("ii->i", "ii->i", (square,)),
        ("ii", "ii->", (square,)),
        ("iii->i", "iii->i", (cube,)),
        ("iji->j", "iji->j", (cube,)),
        ("iij,jk->ik", "iij,jk->ik", (cube, array(3, 2, seed=17))),
        ("i,j->ij", "i,j->ij", (V3, V4)),
        ("i,j->ji", "i,j->ji", (V3, V4)),
        ("i,i->", "i,i->", (V4, V4 + 1)),
        ("i,i->i", "i,i->i", (V4, V4 + 1)),
        ("ij,ij->ij", "ij,ij->ij", (M34, M34 + 1)),
        ("ij,kj->ki", "ij,kj->ki", (M34, array(2, 4, seed=18))),
        ("bij,bjk->bik", "bij,bjk->bik", (B234, B245)),
        ("bij,bjk->kbi", "bij,bjk->kbi", (B234, B245)),
        ("bij,bjk->ik", "bij,bjk->ik", (B234, B245)),
        ("abc,cbd->ad", "abc,cbd->ad", (B234, array(4, 3, 2, seed=19))),
        ("abc,dc->abd", "abc,dc->abd", (B234, array(2, 4, seed=20))),
        ("abc,ade->bcde", "abc,ade->bcde", (B234, B245)),
        ("ij,k->i", "ij,k->i", (M34, V4)),
        (",i->i", ",i->i", (np.asarray(2.0), V3)),
        ("->", "->", (np.asarray(2.0),)),
        ("ij,jk,kl->il", "ij,jk,kl->il", (M34, M45, array(5, 2, seed=21))),
        ("i,ij,jk,k->", "i,ij,jk,k->", (V3, M34, M45, array(5, seed=22))),
        ("ab,ac,ad->bcd", "ab,ac,ad->bcd", (M34, array(3, 2, seed=23), array(3, 2, seed=24))),
        (" i j , j k -> i k ", "ij,jk->ik", (M34, M45)),
        ("Aa,aB->BA", "Aa,aB->BA", (M34, M45)),
        ("ij,jk->ik", "ij,jk->ik", (EMPTY, EMPTY.T)),
    ]
    samples = [
        Sample(
            f"einsum {written}{' empty' if 0 in arrays[0].shape else ''}",
            lambda *t, e=written: gf.einsum(e, *t),
            arrays,
            lambda *a, e=meant: _summed(e, *a),
            grad=True,
        )
        for written, meant, arrays in cases
    ]
    dots: list[tuple[str, str, tuple[Any, ...]]] = [
        ("...ij,...jk->...ik", "bij,bjk->bik", (B234, B245)),
        ("...ij,...jk", "bij,bjk->bik", (B234, B245)),
        ("i...->...", "iab->ab", (B234,)),
        ("...i->i...", "abi->iab", (B234,)),
        ("b...i,b...i->b...", "bai,bai->ba", (B234, B234 + 1)),
        ("...", "abc->abc", (B234,)),
        ("...,...", "ab,ab->ab", (M34, M34 + 1)),
    ]
    for written, meant, arrays in dots:
        samples.append(
            Sample(
                f"einsum {written} dots",
                lambda *t, e=written: gf.einsum(e, *t),
                arrays,
                lambda *a, e=meant: _summed(e, *a),
                grad=True,
                unranked=False,
            )
        )
    samples += [
        Sample(
            "einsum dots broadcast",
            lambda a, b: gf.einsum("...ij,...jk->...ik", a, b),
            (B3134, B245),
            _product,
            grad=True,
            unranked=False,
        ),
        Sample(
            "einsum dots of one",
            lambda a, b: gf.einsum("...ij,jk->...ik", a, b),
            (B234, M45),
            _product,
            grad=True,
            unranked=False,
        ),
        Sample(
            "einsum dots of size one",
            lambda a, b: gf.einsum("...i,...i->...", a, b),
            (B145[:, :1], B245),
            lambda a, b: (a * b).sum(-1),
            grad=True,
            unranked=False,
            symbolic=False,
        ),
        Sample(
            "einsum int",
            lambda a, b: gf.einsum("ij,kj->ik", a, b),
            (INTS, INTS),
            lambda a, b: _product(a, b.T),
        ),
        Sample(
            "einsum int sum",
            lambda a: gf.einsum("ij->i", a),
            (INTS,),
            lambda a: a[:, 0] + a[:, 1] + a[:, 2] + a[:, 3],
        ),
        Sample(
            "einsum mixed",
            lambda a, b: gf.einsum("ij,kj->ik", a, b),
            (INTS, M34),
            lambda a, b: _product(a, b.T),
        ),
        Sample(
            "einsum complex",
            lambda a, b: gf.einsum("ij,kj->ik", a, b),
            (COMPLEX, COMPLEX),
            lambda a, b: _product(a, b.T),
        ),
        Sample(
            "einsum fifty letters",
            lambda *t: gf.einsum(",".join(string.ascii_letters[:50]) + "->", *t),
            tuple(np.full(1, 1.01) for _ in range(50)),
            lambda *a: np.asarray(1.01**50),
        ),
    ]
    return samples


SAMPLES: list[Sample] = _einsums()
