"""Newton's method in a `while_loop`, and the derivative of its result: differentiation goes through loops.

python -m examples.newton
"""

from __future__ import annotations

import graphflow as gf

__all__ = ["cube_root"]


def cube_root(a: gf.Tensor, tolerance: float = 1e-12) -> tuple[gf.Tensor, gf.Tensor]:
    """The cube root of a positive scalar, and how many steps it took."""

    def goes_on(y: gf.Tensor, n: gf.Tensor) -> gf.Tensor:
        return gf.greater(gf.abs(y * y * y - a), tolerance * a)

    def step(y: gf.Tensor, n: gf.Tensor) -> tuple[gf.Tensor, gf.Tensor]:
        return y - (y * y * y - a) / (3 * y * y), n + 1

    root, count = gf.while_loop(goes_on, step, (a, gf.constant(0)))
    return root, count


def main() -> None:
    with gf.Graph().as_default():
        a = gf.placeholder(gf.float64, [], name="a")
        root, count = cube_root(a)
        (slope,) = gf.gradients(root, a)
        with gf.Session() as session:
            for value in (2.0, 27.0, 1e6):
                y, dy, n = session.run([root, slope, count], {a: value})
                exact = value ** (-2 / 3) / 3
                print(
                    f"cube root of {value:9.0f} is {y:.9f} after {n:2} steps; slope {dy:.9f}, exactly {exact:.9f}"
                )


if __name__ == "__main__":
    main()
