"""Diagrams of graphs and plans: SVG and text with no other program, DOT, PNG and PDF, networkx.

The engine never imports this package; `graphflow.hooks` does, when something is to be drawn.
"""

from __future__ import annotations

from graphflow.visualize.networkx_export import to_networkx
from graphflow.visualize.picture import Picture
from graphflow.visualize.render import render, to_dot, to_graphviz, to_svg, to_text

__all__ = ["Picture", "render", "to_dot", "to_graphviz", "to_networkx", "to_svg", "to_text"]
