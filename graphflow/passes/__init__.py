"""Rewrites: each a pure function from subgraph to subgraph that keeps every output's value."""
