"""Facts to a plan: where nodes run, in which order, and which bytes hold their values."""
