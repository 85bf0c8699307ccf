"""The notebook of the first course runs from top to bottom, finds what it should, and shows its graphs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "notebooks" / "first_course.ipynb"


@pytest.fixture(scope="module")
def executed() -> Any:
    """The notebook with its outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    return client.execute()


def test_it_is_kept_without_outputs():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_it_finds_what_it_should(executed):
    results = ast.literal_eval(executed.cells[-1].outputs[0]["data"]["text/plain"])
    assert results["mean"] == pytest.approx(170, abs=0.3)
    assert results["stddev"] == pytest.approx(8, abs=0.2)
    assert results["w"] == pytest.approx(2.0, abs=0.1)
    assert results["b"] == pytest.approx(-1.0, abs=0.05)
    assert results["loss"] < 0.11 < results["guessed_loss"]
    assert results["forecast_nbytes"] < 20_000
    assert results["neuron_accuracy"] > 0.97
    assert results["neuron_on_circle"] < 0.75
    assert results["network_accuracy"] > 0.95


@pytest.mark.slow
def test_it_shows_graphs_and_plots(executed):
    shown = [
        output["data"] for cell in executed.cells for output in cell.get("outputs", []) if "data" in output
    ]
    graphs = [data["image/svg+xml"] for data in shown if "image/svg+xml" in data]
    plots = [data for data in shown if "image/png" in data]
    assert len(graphs) == 4
    assert all("<svg" in graph for graph in graphs)
    assert len(plots) == 4
