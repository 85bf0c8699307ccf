"""Text in pictures is harmless and fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphflow.visualize.typography import clip, format_nbytes, text_width, visible

ANY_TEXT = st.text(st.characters(), max_size=40)  # lone surrogates included


@given(ANY_TEXT)
def test_visible_text_is_printable_and_keeps_plain_text(text):
    shown = visible(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
    shown.encode()


@given(ANY_TEXT, st.floats(20, 200))
def test_clipped_text_fits(text, room):
    assert text_width(clip(text, room, 9.0), 9.0) <= room + 1e-9


def test_what_hides_is_spelled_out():
    assert visible("a\u202eb\0\n\ud800") == r"a\u202eb\x00\n\ud800"


def test_long_text_is_cut_in_bounded_time():
    assert visible("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert clip("x" * 10_000_000, 50, 9.0).endswith("…")


def test_bytes_are_told_in_the_largest_unit():
    assert [format_nbytes(n) for n in (0, 1023, 1024, 1536, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 GiB",
    ]
