"""A finished picture, as a string that notebooks show as an image."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from graphflow.visualize.typography import visible

__all__ = ["Picture"]


class Picture(str):
    """The text of an SVG, with its caption; in a notebook it shows itself."""

    __slots__ = ("caption",)

    caption: str

    def __new__(cls, svg: str, caption: str = "") -> Self:
        picture = super().__new__(cls, svg)
        picture.caption = caption
        return picture

    def _repr_svg_(self) -> str:
        return str(self)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None, **_: Any
    ) -> dict[str, str]:
        bundle = {"image/svg+xml": str(self), "text/plain": repr(self)}
        return {
            mime: data
            for mime, data in bundle.items()
            if (not include or mime in include) and not (exclude and mime in exclude)
        }

    def __repr__(self) -> str:
        return f"<Picture: {visible(self.caption, 200)}>"

    def __reduce__(self) -> tuple[type[Picture], tuple[str, str]]:
        return Picture, (str(self), self.caption)
