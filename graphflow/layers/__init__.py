"""`gf.layers`: functions that make their own variables, so that a model is ten lines.

    x = gf.placeholder("float32", ["batch", 28, 28, 1])
    y = gf.layers.conv2d(x, 32, 5, activation=gf.nn.relu, padding="same")
    y = gf.layers.max_pooling2d(y, 2, 2)
    y = gf.layers.dense(gf.layers.flatten(y), 10)

Names, arguments and defaults are those of TensorFlow 1's `tf.layers`. A layer's variables are found by
`gf.get_variable` below the layer's name: call it again with that name and `reuse=True` to share them.
"""

from __future__ import annotations

from graphflow.layers.convolutional import (
    conv1d,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    depthwise_conv2d,
    separable_conv2d,
)
from graphflow.layers.core import dense, dropout, embedding, flatten
from graphflow.layers.normalization import batch_normalization, group_normalization, layer_normalization
from graphflow.layers.pooling import (
    average_pooling1d,
    average_pooling2d,
    average_pooling3d,
    max_pooling1d,
    max_pooling2d,
    max_pooling3d,
)
from graphflow.layers.recurrent import gru, lstm, simple_rnn
from graphflow.layers.regularizers import l1_l2_regularizer, l1_regularizer, l2_regularizer

__all__ = [
    "average_pooling1d",
    "average_pooling2d",
    "average_pooling3d",
    "batch_normalization",
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "dense",
    "depthwise_conv2d",
    "dropout",
    "embedding",
    "flatten",
    "group_normalization",
    "gru",
    "l1_l2_regularizer",
    "l1_regularizer",
    "l2_regularizer",
    "layer_normalization",
    "lstm",
    "max_pooling1d",
    "max_pooling2d",
    "max_pooling3d",
    "separable_conv2d",
    "simple_rnn",
]
