"""Elementwise ops: bad input, dtypes, edges and ties, scalar expressions, accuracy, and what kernels may use."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, RunError, ShapeError
from graphflow.op import OPS, F, load_all
from graphflow.types import TensorType
from tests.each import Each
from tests.ops.scalar_language import evaluate, has_call

# fmt: off
load_all()  # whatever other files of tests import: the tests here are over all ops

ATTRS: dict[str, dict[str, Any]] = {"polygamma": {"n": 2}, "lowered": {"lowest": -1e300}}
"""Attributes for elementwise ops that have some."""

ON_PAIRS = ("gcd", "lcm")
"""Ops of two operands that have no scalar expression."""

UNARY = [
    "abs", "acos", "acosh", "angle", "asin", "asinh", "atan", "atanh", "bitwise_invert", "cbrt", "ceil",
    "conj", "cos", "cosh", "digamma", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor", "imag",
    "isfinite", "isinf", "isnan", "lgamma", "log", "log10", "log1p", "log2", "logical_not", "negative",
    "positive", "real", "reciprocal", "round", "rsqrt", "sign", "signbit", "sin", "sinh", "sqrt", "square",
    "tan", "tanh", "trunc",
]
BINARY = [
    "add", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "complex", "copysign", "divide", "equal", "floor_divide", "greater", "greater_equal", "hypot", "less",
    "less_equal", "logaddexp", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "multiply",
    "nextafter", "not_equal", "pow", "remainder", "subtract",
]
ON_BITS = {name for name in BINARY if name.startswith("bitwise")} | {"bitwise_invert"}
ON_BOOLS = {"logical_and", "logical_or", "logical_xor", "logical_not"}
REAL_ONLY = [
    "cbrt", "ceil", "digamma", "erf", "erfc", "erfinv", "floor", "lgamma", "signbit", "trunc", "atan2",
    "complex", "copysign", "floor_divide", "greater", "greater_equal", "hypot", "less", "less_equal",
    "logaddexp", "maximum", "minimum", "nextafter", "remainder",
]
NOT_BOOL = [
    "abs", "ceil", "conj", "floor", "imag", "negative", "positive", "real", "round", "sign", "signbit",
    "square", "trunc", "add", "floor_divide", "maximum", "minimum", "multiply", "pow", "remainder",
    "subtract",
]
# fmt: on


def operand(name: str, shape: Any = (3,)) -> gf.Tensor:
    """A placeholder of a dtype that the op takes."""
    return gf.placeholder("int32" if name in ON_BITS else bool if name in ON_BOOLS else "float32", shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, DTypeError),
        ("text", DTypeError),
        (object(), DTypeError),
        (np.array(["a"]), DTypeError),
        (np.array([None]), DTypeError),
        (np.ma.array([1.0], mask=[True]), DTypeError),
        ([[1.0], [2.0, 3.0]], ShapeError),
        (np.datetime64("2020-01-01"), DTypeError),
        (2**70, DTypeError),
    ],
    ids=["none", "str", "object", "strings", "objects", "masked", "ragged", "datetime", "huge"],
)
def test_what_is_no_number_is_refused_by_name(value: Any, error: type[Exception], each: Each) -> None:
    def check(name: str) -> None:
        with pytest.raises(error, match=f"^{name}: "):
            F.table[name](value)
        assert len(gf.get_default_graph()) == 0

    each(UNARY, check)


@pytest.mark.parametrize("name", BINARY)
def test_a_second_operand_that_is_no_number(name: str) -> None:
    x = operand(name)
    for value, error in ((None, DTypeError), ("text", DTypeError), ([[1], [2, 3]], ShapeError)):
        with pytest.raises(error, match=f"^{name}: "):
            F.table[name](x, value)
        with pytest.raises(error, match=f"^{name}: "):
            F.table[name](value, x)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(("left", "right"), [((3,), (4,)), ((2, 1, 3), (2, 2)), ((0,), (2,))])
def test_shapes_that_do_not_broadcast(name: str, left: Any, right: Any) -> None:
    x, y = operand(name, left), operand(name, right)
    with pytest.raises(ShapeError) as caught:
        F.table[name](x, y)
    text = str(caught.value)
    assert text.startswith(name)
    assert str(list(left)) in text
    assert str(list(right)) in text
    assert text.count("test_elementwise.py:") >= 3  # the node's line, and those of both operands


@pytest.mark.parametrize("name", BINARY)
def test_a_result_of_more_than_2_to_63_elements(name: str) -> None:
    with pytest.raises(ShapeError, match="more than 2\\^63"):
        F.table[name](operand(name, (2**40, 1)), operand(name, (1, 2**40)))


@pytest.mark.parametrize("name", REAL_ONLY)
def test_complex_numbers_where_there_is_an_order(name: str) -> None:
    z = gf.placeholder("complex64", (2,))
    with pytest.raises(DTypeError, match=f"^{name}: .*complex"):
        F.table[name](z) if name in UNARY else F.table[name](z, z)


@pytest.mark.parametrize("name", NOT_BOOL)
def test_bools_are_no_numbers(name: str) -> None:
    p = gf.placeholder(bool, (2,))
    with pytest.raises(DTypeError, match=f"^{name}: .*bool"):
        F.table[name](p) if name in UNARY else F.table[name](p, True)


@pytest.mark.parametrize("name", sorted(ON_BITS | ON_BOOLS))
def test_logic_of_floats(name: str) -> None:
    x = gf.placeholder("float32", (2,))
    with pytest.raises(DTypeError, match=f"^{name}: .*float32"):
        F.table[name](x) if name in UNARY else F.table[name](x, x)


@pytest.mark.parametrize("name", ["bitwise_left_shift", "bitwise_right_shift"])
def test_shifts_of_bools(name: str) -> None:
    with pytest.raises(DTypeError, match=f"^{name}: .*bool; integers are needed"):
        F.table[name](gf.placeholder(bool, ()), True)


def test_integers_without_a_common_type() -> None:
    with pytest.raises(DTypeError, match=r"^add: uint64 and int64 have no common integer type"):
        gf.placeholder("uint64", ()) + gf.placeholder("int64", ())


@pytest.mark.parametrize("value", [-1, 256, 2**63])
def test_a_python_int_that_the_dtype_cannot_hold(value: int) -> None:
    with pytest.raises(DTypeError, match=r"^add: .*does not fit"):
        gf.placeholder("uint8", ()) + value


def test_tensors_of_two_graphs_name_both_lines() -> None:
    with gf.Graph().as_default():
        x = gf.placeholder("float32", ())
    with gf.Graph().as_default():
        y = gf.placeholder("float32", ())
        with pytest.raises(
            gf.errors.GraphError, match=r"two graphs.*test_elementwise.py:.*test_elementwise.py:"
        ):
            x + y


def test_cast_refuses_complex_to_real_and_unknown_dtypes() -> None:
    z = gf.placeholder("complex64", (2,))
    with pytest.raises(DTypeError, match=r"^cast: .*complex and cannot become float32; take gf.real"):
        gf.cast(z, "float32")
    for dtype in ("float128", "str", object, None, 7):
        with pytest.raises(DTypeError, match="is not a dtype"):
            gf.cast(z, dtype)


def test_where_needs_a_bool_condition_and_both_values() -> None:
    x = gf.placeholder("float32", (2,))
    with pytest.raises(DTypeError, match=r"^where: the condition .*float32.* must be bool"):
        gf.where(x, x, x)
    with pytest.raises(ArgumentError, match=r"^where: give both x and y; to pick the elements"):
        gf.where(x > 0, x)
    with pytest.raises(ShapeError, match=r"where.*\[2\] and \[3\] and \[\]|where.*\[2\].*\[3\]"):
        gf.where(x > 0, gf.placeholder("float32", (3,)), 0.0)


@pytest.mark.parametrize("n", [-1, 101, 1.5, True, None, "1"])
def test_the_order_of_a_polygamma(n: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^polygamma: n must be"):
        gf.polygamma(n, 1.0)


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        ([], ArgumentError, "at least one tensor"),
        ((), ArgumentError, "at least one tensor"),
        (None, ArgumentError, "got None"),
        (3.0, ArgumentError, "got 3.0"),
        ([True, False], DTypeError, "bool"),
        ([[1.0, 2.0], [1.0]], ShapeError, "one shape: input 0 is float32\\[2\\], input 1 is float32\\[1\\]"),
        ([[[1.0]], [1.0]], ShapeError, "one shape"),
    ],
)
def test_add_n_of_what_cannot_be_added(inputs: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"add_n: .*{text}"):
        gf.add_n(inputs)


def test_integer_powers_with_negative_exponents() -> None:
    x = gf.placeholder("int64", (2,))
    with pytest.raises(ArgumentError, match=r"^pow: .*int64.* power -2 is no integer"):
        x ** np.array([3, -2])
    with pytest.raises(ArgumentError, match="power -1"):
        x**-1
    y = gf.placeholder("int64", (2,))
    power = x**y
    session = gf.Session()
    with pytest.raises(RunError, match=r"pow: an integer to the negative integer power -5.*cast to a float"):
        session.run(power, {x: [1, 2], y: [1, -5]})
    np.testing.assert_array_equal(session.run(power, {x: [3, 2], y: [4, 0]}), [81, 1])


# --- dtypes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        ("float32", 2, "float32"),
        ("float32", 2.5, "float32"),
        ("float64", 2.5, "float64"),
        ("bfloat16", 0.1, "bfloat16"),
        ("float32", 1j, "complex64"),
        ("float64", 1j, "complex128"),
        ("int8", 2, "int8"),
        ("int8", 2.5, "float32"),
        ("int32", np.int64(1), "int64"),
        ("float32", np.float64(1), "float64"),
        ("float32", np.ones(3), "float64"),
        ("float32", np.ones(3, "i8"), "float32"),
        ("float16", np.ones(3, "i8"), "float16"),
        ("float16", np.ones(3, gf.bfloat16), "float32"),
        ("uint8", np.ones(3, "i1"), "int16"),
        ("bool", np.ones(3, "u1"), "uint8"),
        ("bool", 1, "int64"),
        ("complex64", np.ones(3), "complex128"),
    ],
)
def test_the_dtype_of_a_sum(left: str, right: Any, dtype: str) -> None:
    x = gf.placeholder(left, (3,))
    for y in (x + right, right + x):
        assert y.dtype.name == dtype


@pytest.mark.parametrize(
    ("left", "dtype"), [("int64", "float32"), ("bool", "float32"), ("float16", "float16")]
)
def test_the_dtype_of_a_quotient(left: str, dtype: str) -> None:
    x = gf.placeholder(left, (3,))
    assert (x / x).dtype.name == dtype
    with gf.config.override(default_float="float64"):
        assert (x / x).dtype.name == ("float16" if left == "float16" else "float64")


def test_what_needs_no_node_makes_none() -> None:
    x, i = gf.placeholder("float32", (2,)), gf.placeholder("int32", (2,))
    for y in (
        gf.conj(x),
        gf.real(x),
        gf.cast(x, "float32"),
        gf.astype(x, "float32", copy=False),
        gf.add_n([x]),
    ):
        assert y is x
    assert len(gf.get_default_graph()) == 2
    for t, y in (
        *((x, y) for y in (+x, gf.clip(x), gf.astype(x, "float32"))),
        *((i, y) for y in (gf.floor(i), gf.ceil(i), gf.trunc(i), gf.round(i))),
    ):
        assert y is not t, "a tensor of its own, so that y[k] = v leaves t alone"
        assert y.op.type == "identity"


@pytest.mark.parametrize("name", [n for n in UNARY if n not in ON_BOOLS])
def test_unknown_rank_keeps_the_dtype_rule(name: str) -> None:
    for dtype in ("int32", "float32", "complex64"):
        known, unknown = gf.placeholder(dtype, (2,)), gf.placeholder(dtype)
        try:
            expected = F.table[name](known).dtype
        except DTypeError:
            continue
        y = F.table[name](unknown)
        assert y.dtype == expected
        assert y.shape is None


def test_names_of_nodes_are_tensorflows() -> None:
    x = gf.placeholder("float32", (2,), name="x")
    made = [
        x + x,
        x - x,
        x * x,
        x / x,
        -x,
        gf.exp(x),
        x <= x,
        gf.where(x > 0, x, x),
        gf.cast(x, "int32"),
        gf.add_n([x, x]),
    ]
    names = ["add", "sub", "mul", "truediv", "Neg", "Exp", "LessEqual", "Select", "Cast", "AddN"]
    assert [t.op.name for t in made] == names
    assert gf.exp(x, name="mine").op.name == "mine"


# --- edges and ties -------------------------------------------------------------------------------


def gradient(function: Any, *values: Any) -> Any:
    xs = [gf.placeholder("float64", np.shape(v)) for v in values]
    return run(gf.gradients(function(*xs), xs), dict(zip(xs, values, strict=True)))


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (gf.maximum, (2.0, 2.0), (0.5, 0.5)),
        (gf.minimum, (2.0, 2.0), (0.5, 0.5)),
        (gf.maximum, (np.nan, 2.0), (0.0, 0.0)),
        (lambda x: gf.clip(x, 0, 1), (1.0,), (0.5,)),
        (lambda x: gf.clip(x, 0, 1), (3.0,), (0.0,)),
        (gf.abs, (0.0,), (0.0,)),
        (gf.sign, (3.0,), (0.0,)),
        (gf.sqrt, (0.0,), (np.inf,)),
        (gf.hypot, (0.0, 0.0), (0.0, 0.0)),
        (gf.pow, (0.0, 0.0), (0.0, 0.0)),
        (gf.pow, (0.0, 2.0), (0.0, 0.0)),
        (gf.pow, (-2.0, 3.0), (12.0, 0.0)),
        (lambda x: x**2, (0.0,), (0.0,)),
        (lambda x: x**3, (0.0,), (0.0,)),
        (lambda x: x**1.0, (0.0,), (1.0,)),
        (gf.divide, (1.0, 0.0), (np.inf, -np.inf)),
        (gf.log, (0.0,), (np.inf,)),
        (gf.logaddexp, (np.inf, np.inf), (0.5, 0.5)),
        (gf.logaddexp, (-np.inf, -np.inf), (0.5, 0.5)),
        (gf.logaddexp, (1e4, 0.0), (1.0, 0.0)),
        (gf.remainder, (7.5, 2.0), (1.0, -3.0)),
        (gf.floor_divide, (7.5, 2.0), (0.0, 0.0)),
        (gf.floor, (1.5,), (0.0,)),
        (gf.erfinv, (0.0,), (math.sqrt(math.pi) / 2,)),
        (
            lambda x: (
                gf.cast(gf.cast(x, "complex128") * 1j, "complex128").dtype
                and gf.imag(gf.cast(x, "complex128") * 1j)
            ),
            (2.0,),
            (1.0,),
        ),
    ],
)
def test_gradients_at_kinks(function: Any, values: Any, expected: Any) -> None:
    np.testing.assert_allclose(gradient(function, *values), expected, rtol=1e-14)


def test_where_keeps_nan_out_of_the_gradient_of_the_other_branch() -> None:
    """The safe form, with a harmless argument where it is not chosen; `where` itself leaks nothing."""
    x = np.array([-1.0, 4.0])

    def safe_root(t: Any) -> Any:
        positive = t > 0
        return gf.where(positive, gf.sqrt(gf.where(positive, t, 1.0)), 0.0)

    np.testing.assert_array_equal(gradient(safe_root, x)[0], [0.0, 0.25])
    np.testing.assert_array_equal(
        gradient(lambda t: gf.where(t > 0, t, t + np.nan), np.array([1.0]))[0], [1.0]
    )


def test_second_derivative_of_logaddexp_at_a_finite_tie() -> None:
    x = gf.placeholder("float64", ())
    (first,) = gf.gradients(gf.logaddexp(x, 0.0), [x])
    (second,) = gf.gradients(first, [x])
    np.testing.assert_allclose(run([first, second], {x: 0.0}), [0.5, 0.25])


def test_gradient_of_the_magnitude_of_a_complex_number() -> None:
    """dL/dx + i dL/dy, as TensorFlow has it."""
    z = gf.placeholder("complex128", ())
    (g,) = gf.gradients(gf.abs(z * z), [z])
    value = 0.6 - 0.8j
    np.testing.assert_allclose(run(g, {z: value}), 2 * value, rtol=1e-14)


def test_real_inputs_of_complex_results_get_real_gradients() -> None:
    x = gf.placeholder("float64", (2,))
    (g,) = gf.gradients(gf.real(gf.exp(x * 1j)), [x])
    assert g.dtype == np.float64
    at = np.array([0.3, -1.2])
    np.testing.assert_allclose(run(g, {x: at}), -np.sin(at), rtol=1e-14)


def test_add_n_of_100_000_inputs() -> None:
    x = gf.placeholder("float64", (2,))
    total = gf.add_n([x] * 100_000)
    assert len(gf.get_default_graph()) == 2
    np.testing.assert_array_equal(run(total, {x: [1.0, -2.0]}), [1e5, -2e5])
    np.testing.assert_array_equal(run(gf.gradients(total, [x]), {x: [0.0, 0.0]})[0], [1e5, 1e5])


def test_python_operators_reach_the_functions() -> None:
    x = gf.placeholder("int64", (3,))
    values = np.array([5, -7, 12])
    pairs = [
        (7 - x, 7 - values),
        (x // 3, values // 3),
        (100 // x, 100 // values),
        (x % 4, values % 4),
        (100 % x, 100 % values),
        (2 * x, 2 * values),
        (abs(x), abs(values)),
        (x & 6, values & 6),
        (x ^ 1, values ^ 1),
        (1 | x, 1 | values),
        (~x, ~values),
        (x << 2, values << 2),
        (x >> 1, values >> 1),
        (x == 5, values == 5),
        (x != 5, values != 5),
        (x > 3, values > 3),
        (1 / x, (1 / values).astype("f4")),
    ]
    for got, (_, want) in zip(run([t for t, _ in pairs], {x: values}), pairs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


# --- scalar expressions ---------------------------------------------------------------------------

MINE = [
    op
    for op in OPS.values()
    if op.is_elementwise
    and op.scalar_expr is not None
    and op.name not in ("where", "real", "imag", "conj", "angle", "complex")
]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.3, -0.45, 2.5, -3.7, 0.5, np.inf, -np.inf, np.nan]
INTS = [0, 1, -1, 5, -8, 63, 100]


@pytest.mark.parametrize("op", MINE, ids=lambda op: op.name)
def test_scalar_expression_means_what_the_kernel_does(op: Any) -> None:
    """On floats, and on ints where the expression calls no function; both zeros of a sign count as equal."""
    assert op.scalar_expr is not None
    arity = 2 if "x1" in op.scalar_expr else 1
    attrs = ATTRS.get(op.name, {})
    name = op.name
    kinds: list[tuple[list[Any], Any]] = []
    if name in ON_BOOLS:
        kinds.append(([False, True], np.bool_))
    elif name in ON_BITS:
        kinds.append((INTS, np.int64))
    else:
        kinds.append(([v for v in FLOATS if v > 0] if name == "polygamma" else FLOATS, np.float64))
        if not has_call(op.scalar_expr) and name not in (
            "divide",
            "reciprocal",
            "isnan",
            "isinf",
            "isfinite",
            "pow",
            "lowered",
        ):
            kinds.append((INTS, np.int64))
    for values, scalar in kinds:
        for a in values:
            for b in values if arity == 2 else [values[0]]:
                names = {"x0": scalar(a), "x1": scalar(b), **attrs}
                inputs = [np.array(v, scalar) for v in (a, b)[:arity]]
                with np.errstate(all="ignore"):
                    expected = op.kernel(np, *inputs, **attrs)
                    got = evaluate(op.scalar_expr, names)
                np.testing.assert_allclose(
                    np.asarray(got).astype(float),
                    np.asarray(expected).astype(float),
                    rtol=1e-13,
                    err_msg=f"{name}({a}, {b})",
                )


def test_where_has_the_expression_of_a_choice() -> None:
    assert evaluate(str(OPS["where"].scalar_expr), {"x0": True, "x1": 1, "x2": 2}) == 1
    assert evaluate(str(OPS["where"].scalar_expr), {"x0": False, "x1": 1, "x2": 2}) == 2


# --- kernels --------------------------------------------------------------------------------------


ON_INTEGERS = (*ON_BITS, *ON_PAIRS)


@pytest.mark.parametrize(
    "op", [op for op in OPS.values() if op.in_place and op.is_elementwise], ids=lambda op: op.name
)
def test_a_kernel_may_overwrite_an_input_where_its_op_says_so(op: Any) -> None:
    rng = np.random.default_rng(0)
    kind: Any = bool if op.name in ON_BOOLS else np.int64 if op.name in ON_INTEGERS else np.float64
    arity = 2 if op.name in ON_PAIRS or (op.scalar_expr and "x1" in op.scalar_expr) else 1
    inputs = [np.abs(rng.uniform(0.1, 0.9, (3, 4))) * (1 if kind == np.float64 else 9) for _ in range(arity)]
    inputs = [(x > 4).astype(bool) if kind is bool else x.astype(kind) for x in inputs]
    attrs = ATTRS.get(op.name, {})
    with np.errstate(all="ignore"):
        expected = op.kernel(np, *inputs, **attrs)
        for k, x in enumerate(inputs):
            if x.dtype != expected.dtype:
                continue
            arguments = [v.copy() for v in inputs]
            result = op.kernel(np, *arguments, out=arguments[k], **attrs)
            assert result is arguments[k]
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [100, 8192, 50_000])
def test_the_workspace_of_a_special_function_is_an_upper_bound(name: str, dtype: str, size: int) -> None:
    op: Any = OPS[name]
    attrs = {"n": 2} if name == "polygamma" else {}
    rng = np.random.default_rng(1)
    kind = TensorType(np.dtype(dtype), (size,))
    for low, high in ((-0.99, 0.99), (0.1, 5.0), (-5.0, -0.5), (1.3, 30.0)):
        x = rng.uniform(low, high, 2 * size).astype(dtype)[::2]
        out = np.empty(size, dtype)
        with np.errstate(all="ignore"):
            op.kernel(np, x, out=out, **attrs)  # lazy imports and caches are no workspace
            tracemalloc.start()
            try:
                op.kernel(np, x, out=out, **attrs)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak <= op.workspace((kind,), (kind,), **attrs)


def _ulps(got: Any, want: Any) -> float:
    return float(np.max(np.abs(got - want) / np.spacing(np.abs(want))))


def test_erf_and_erfc_against_the_c_library() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate(
        [rng.uniform(-6, 6, 20_000), rng.uniform(-1.3, 1.3, 20_000), 10.0 ** rng.uniform(-300, 0, 1000)]
    )
    assert _ulps(OPS["erf"].kernel(np, x), np.array([math.erf(v) for v in x.tolist()])) <= 1.0  # type: ignore[misc]
    far = np.concatenate([x, rng.uniform(5, 26.5, 5000)])
    assert _ulps(OPS["erfc"].kernel(np, far), np.array([math.erfc(v) for v in far.tolist()])) <= 4.0  # type: ignore[misc]


def test_erf_and_erfc_round_correctly_to_float32_almost_always() -> None:
    x = np.concatenate([np.linspace(-6, 9, 40_001), np.logspace(-30, 0, 2000)]).astype(np.float32)
    for name, reference in (("erf", math.erf), ("erfc", math.erfc)):
        want = np.array([reference(v) for v in x.tolist()])
        got = OPS[name].kernel(np, x)  # type: ignore[misc]
        assert got.dtype == np.float32
        assert np.max(np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32))) <= 0.55


def test_lgamma_keeps_its_digits_at_its_zeros() -> None:
    """Against the first terms of its series there; the C library and SciPy have no better."""
    euler, zeta = (
        0.5772156649015329,
        [1.6449340668482264, 1.2020569031595942, 1.0823232337111381, 1.0369277551433699],
    )
    offset = np.concatenate([np.logspace(-14, -4, 50), -np.logspace(-14, -4, 50)])
    for at in (1.0, 2.0):
        x = at + offset
        z = x - at  # what is left of the offset
        first = -euler if at == 1 else 1 - euler
        want = first * z + sum((-1) ** k * (zeta[k - 2] - (at - 1)) * z**k / k for k in range(2, 6))
        np.testing.assert_allclose(OPS["lgamma"].kernel(np, x), want, rtol=1e-14)  # type: ignore[misc]
