"""Programs that a reader can run: `python -m examples.linear_regression`, or all of them in `make demo`."""
