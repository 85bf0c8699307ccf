"""The colours can be told apart by everyone and read on every fill: the limits of the visual language."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphflow.visualize.diagram import Kind
from graphflow.visualize.palette import DARK, LIGHT, THEMES, Theme

# Kinds whose colour means something; cards and constants are told by their shape alone.
COLOURED = (Kind.INPUT, Kind.VARIABLE, Kind.OP, Kind.FUSED, Kind.TRANSFER)

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", full severity, on linear RGB.
SIMULATIONS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2."""
    low, high = sorted(float(np.dot([0.2126, 0.7152, 0.0722], linear(c))) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIMULATIONS)
@pytest.mark.parametrize(("theme", "least"), [("light", 15), ("dark", 15)])
def test_strokes_of_kinds_differ_for_every_sight(theme, least, sight):
    seen = {kind: lab(SIMULATIONS[sight] @ linear(THEMES[theme].paints[kind].stroke)) for kind in COLOURED}
    distances = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(COLOURED, 2)}
    closest = min(distances, key=distances.get)
    assert distances[closest] >= least, f"{closest} are {distances[closest]:.1f} apart"


@pytest.mark.parametrize(("theme", "first", "second"), [(LIGHT, 13.0, 4.5), (DARK, 9.0, 4.5)])
def test_text_is_readable_on_every_fill(theme: Theme, first: float, second: float):
    fills = {paint.fill for paint in theme.paints.values()} | {theme.paper} | set(theme.panels)
    for fill in sorted(fills):
        at_least = first if fill in {p.fill for p in theme.paints.values()} else 4.5
        assert contrast(theme.ink, fill) >= at_least, f"line 1 on {fill}: {contrast(theme.ink, fill):.1f}"
        assert contrast(theme.muted, fill) >= second, f"line 2 on {fill}: {contrast(theme.muted, fill):.1f}"


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_what_is_selected_stands_out_from_paper_and_edges(theme: Theme):
    assert contrast(theme.selected, theme.paper) >= 3.0
    assert np.linalg.norm(lab(linear(theme.selected)) - lab(linear(theme.edge))) >= 30


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_kind_has_its_paint(theme: Theme):
    assert set(theme.paints) == set(Kind)
