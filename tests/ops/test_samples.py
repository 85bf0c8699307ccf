"""Drives the one table of samples: types, values, symbolic shapes, gradients, a second array module, passes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import array_api_strict
import numpy as np
import pytest

import graphflow as gf
from graphflow.graph import Graph, Tensor
from graphflow.op import OPS
from graphflow.types import is_floating
from tests.each import Each
from tests.ops.interpret import evaluate
from tests.ops.table import INTERNAL, Sample, all_samples, by_family

SAMPLES = by_family()
WITH_GRADIENTS = by_family(lambda sample: sample.grad)


def _rng(sample: Sample) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(sample.name.encode()))


def _build(
    sample: Sample, inputs: Sequence[Any], shapes: str = "static"
) -> tuple[list[Tensor], list[Tensor]]:
    """Placeholders for the inputs, and the outputs built on them, in the default graph."""
    placeholders = []
    for value in inputs:
        array = np.asarray(value)
        shape = {"static": array.shape, "symbolic": (None,) * array.ndim, "unranked": None}[shapes]
        placeholders.append(gf.placeholder(array.dtype, shape))
    made = sample.build(*placeholders)
    outputs = list(made) if isinstance(made, (tuple, list)) else [made]
    return placeholders, outputs


def _run(placeholders: Sequence[Tensor], inputs: Sequence[Any], outputs: Any, **options: Any) -> Any:
    session = gf.Session(**options)
    return session.run(outputs, dict(zip(placeholders, inputs, strict=True)))


def _compare(sample: Sample, results: Sequence[Any], inputs: Sequence[Any]) -> None:
    if sample.check is not None:
        sample.check(*results, *inputs)
        return
    assert sample.reference is not None, "a sample needs a reference or a check"
    expected = sample.reference(*inputs)
    wanted = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    assert len(results) == len(wanted)
    for result, want in zip(results, wanted, strict=True):
        want = np.asarray(want)
        assert np.shape(result) == want.shape
        if is_floating(result.dtype):
            eps = float(_eps(result.dtype))
            rtol = max(
                sample.rtol if result.dtype.itemsize // (2 if result.dtype.kind == "c" else 1) >= 8 else 0,
                8 * eps,
            )
            rtol = max(rtol, sample.rtol) if eps > 1e-10 else rtol
            left, right = _wide(result), _wide(want)
            np.testing.assert_allclose(left, right, rtol=rtol, atol=max(sample.atol, 4 * eps), equal_nan=True)
        else:
            np.testing.assert_array_equal(result, want)


def _eps(dtype: Any) -> float:
    return {2: 2.0**-7, 4: 2.0**-23, 8: 2.0**-52}[dtype.itemsize // (2 if dtype.kind == "c" else 1)]


def _bits(value: Any) -> Any:
    array = np.asarray(value)
    return array.tolist() if array.dtype == object else array.tobytes()


def _wide(value: Any) -> Any:
    value = np.asarray(value)
    return value.astype(np.complex128) if value.dtype.kind == "c" else value.astype(np.float64)


def test_there_are_samples() -> None:
    names = [sample.name for sample in all_samples()]
    assert len(names) > 300
    assert len(set(names)) == len(names), "sample names must be unique"


# --- what holds for every sample ----------------------------------------------------------------------------------


def _check_type_values_and_bits(sample: Sample) -> None:
    """The answer is right, no input is written, and without optimizing the answer has the same bits."""
    if "random" in sample.tags:
        gf.random.set_seed(7)
    placeholders, outputs = _build(sample, sample.inputs)
    before = [np.array(x) for x in sample.inputs]
    with gf.config.override(verify=True):
        results = _run(placeholders, sample.inputs, outputs)
        plain = _run(placeholders, sample.inputs, outputs, optimize=False)
    for t, value in zip(outputs, results, strict=True):
        assert value.dtype == t.dtype
        if t.type.is_static:
            assert value.shape == t.type.shape
    _compare(sample, results, sample.inputs)
    for x, copy in zip(sample.inputs, before, strict=True):
        np.testing.assert_array_equal(x, copy)
    for a, b in zip(plain, results, strict=True):
        assert _bits(a) == _bits(b)


def _check_unknown_sizes(sample: Sample) -> None:
    _check_unknown("symbolic", sample)


def _check_unknown_ranks(sample: Sample) -> None:
    _check_unknown("unranked", sample)


def _check_unknown(shapes: str, sample: Sample) -> None:
    if not sample.symbolic or not sample.inputs:
        return
    if shapes == "unranked" and not sample.unranked:
        with pytest.raises(gf.errors.GraphflowError):
            _build(sample, sample.inputs, shapes)
        return
    placeholders, outputs = _build(sample, sample.inputs, shapes)
    results = _run(placeholders, sample.inputs, outputs)
    for t, value in zip(outputs, results, strict=True):
        assert value.dtype == t.dtype
    _compare(sample, results, sample.inputs)


def _check_kernels_under_array_api_strict(sample: Sample) -> None:
    if not sample.strict or any(np.asarray(x).dtype.name in ("float16", "bfloat16") for x in sample.inputs):
        return  # the standard has no half types
    placeholders, outputs = _build(sample, [np.array(x) for x in sample.inputs])
    feeds = {t: np.array(x) for t, x in zip(placeholders, sample.inputs, strict=True)}
    results = evaluate(outputs, feeds, xp=array_api_strict)
    arrays = [np.from_dlpack(r) if hasattr(r, "__dlpack__") else np.asarray(r) for r in results]
    _compare(sample, arrays, sample.inputs)


CHECKS = (
    _check_type_values_and_bits,
    _check_unknown_sizes,
    _check_unknown_ranks,
    _check_kernels_under_array_api_strict,
)


@pytest.mark.parametrize("family", SAMPLES)
def test_samples(family: str, each: Each) -> None:
    each(SAMPLES[family], _check)


def _check(sample: Sample) -> None:
    for check in CHECKS:
        gf.reset_default_graph()
        try:
            check(sample)
        except BaseException as error:
            error.add_note(f"in {check.__name__}")
            raise


# --- gradients ------------------------------------------------------------------------------------


def _directional(run: Any, point: list[Any], direction: list[Any]) -> float:
    """Central difference of a scalar function along a direction, by Richardson's two steps."""

    def slope(h: float) -> float:
        up = run([x + h * d for x, d in zip(point, direction, strict=True)])
        down = run([x - h * d for x, d in zip(point, direction, strict=True)])
        return float((up - down) / (2 * h))

    h = 1e-4
    return (4 * slope(h / 2) - slope(h)) / 3


def _check_gradient(
    y: Tensor, xs: list[Tensor], fixed: dict[Tensor, Any], point: list[Any], rng: Any
) -> Tensor:
    """Compare the gradient of scalar `y` with a central difference; gives a random projection of it."""
    grads = gf.gradients(y, xs, unconnected_gradients="zero")
    directions = [rng.standard_normal(np.shape(p)) for p in point]
    values = gf.Session().make_callable([y, *grads], [*xs, *fixed])  # one program: planning takes longest
    numeric = _directional(lambda at: values(*at, *fixed.values())[0], point, directions)
    got = values(*point, *fixed.values())[1:]
    for g, x in zip(got, point, strict=True):
        assert np.shape(g) == np.shape(x)
    analytic = sum(float(np.sum(np.asarray(g) * d)) for g, d in zip(got, directions, strict=True))
    scale = max(1.0, abs(numeric), *[float(np.max(np.abs(g), initial=0)) for g in got])
    assert abs(analytic - numeric) <= 2e-6 * scale, (analytic, numeric)
    weights = [rng.standard_normal(np.shape(p)) for p in point]
    projected = [gf.sum(g * gf.constant(w)) for g, w in zip(grads, weights, strict=True)]
    return projected[0] if len(projected) == 1 else gf.add_n(projected)


@pytest.mark.parametrize("family", WITH_GRADIENTS)
def test_gradients_against_central_differences(family: str, each: Each) -> None:
    each(WITH_GRADIENTS[family], _check_gradients)


def _check_gradients(sample: Sample) -> None:
    inputs = [np.asarray(x) for x in sample.inputs]
    inputs = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in inputs]
    rng = _rng(sample)
    placeholders, outputs = _build(sample, inputs)
    xs = [t for t, x in zip(placeholders, inputs, strict=True) if x.dtype == np.float64]
    point = [x for x in inputs if x.dtype == np.float64]
    fixed = {t: x for t, x in zip(placeholders, inputs, strict=True) if x.dtype != np.float64}
    parts = []
    for t in outputs:
        if t.dtype == np.float64:
            feeds = dict(zip(placeholders, inputs, strict=True))
            shape: Any = t.type.shape if t.type.is_static else gf.Session().run(t, feeds).shape
            weights = rng.standard_normal(shape)
            parts.append(gf.sum(t * gf.constant(weights)))
    y = parts[0] if len(parts) == 1 else gf.add_n(parts)
    second = _check_gradient(y, xs, fixed, point, rng)
    if sample.second_order:
        _check_gradient(second, xs, fixed, point, rng)


# --- coverage -------------------------------------------------------------------------------------


def test_every_op_has_a_sample() -> None:
    seen: set[str] = set(INTERNAL)
    for sample in all_samples():
        graph = Graph()
        with graph.as_default():
            inputs = [np.asarray(x) for x in sample.inputs]
            _, outputs = _build(sample, inputs)
            floats = [t for t in outputs if is_floating(t.dtype)]
            sources = [
                t for t in graph.operations if t.type == "placeholder" and is_floating(t.outputs[0].dtype)
            ]
            if sample.grad and floats:
                gf.gradients(floats, [n.outputs[0] for n in sources], unconnected_gradients="zero")
        seen.update(node.type for node in graph.operations)
        seen.update(
            inner.type
            for node in graph.operations
            for body in node.attrs.get("bodies", ())
            for inner in body.graph.operations
        )
    assert sorted(set(OPS) - seen) == []


def test_every_op_says_what_it_is() -> None:
    for op in OPS.values():
        assert op.doc, f"{op.name} has no doc line"
        if op.is_elementwise and op.name != "cast":
            assert op.scalar_expr is not None or op.vjp is None, f"{op.name} has no scalar expression"
