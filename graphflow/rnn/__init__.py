"""Recurrent networks with TensorFlow 1's interface: cells, and the functions that run them over sequences.

`gf.nn.rnn_cell` has the cells; `gf.nn` the functions, and `gf.nn.lstm`, `gru`, `rnn`, which are functions of weights.
"""
