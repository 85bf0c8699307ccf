"""`gf.nn`: activations, convolution, pooling, normalisation, recurrent layers, attention, embeddings and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.op import on_demand
from graphflow.ops.transcendental import tanh

if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.activations import (
        elu,
        gelu,
        leaky_relu,
        log_sigmoid,
        log_softmax,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        softmax,
        softplus,
        softsign,
        swish,
    )
    from graphflow.ops.adaptive_pooling import adaptive_avg_pool, adaptive_max_pool
    from graphflow.ops.attention import additive_attention, scaled_dot_product_attention
    from graphflow.ops.attention_masks import alibi_bias, alibi_slopes, causal_mask, sliding_window_mask
    from graphflow.ops.batch_norm import batch_norm, batch_normalization, fused_batch_norm
    from graphflow.ops.candidate_sampling import log_uniform_candidate_sampler, uniform_candidate_sampler
    from graphflow.ops.classification_losses import (
        binary_cross_entropy,
        categorical_cross_entropy,
        categorical_hinge_loss,
        focal_loss,
        nll_loss,
        sparse_categorical_cross_entropy,
        squared_hinge_loss,
        weighted_cross_entropy_with_logits,
    )
    from graphflow.ops.convolution import (
        atrous_conv2d,
        conv,
        conv1d,
        conv2d,
        conv3d,
        convolution,
        depthwise_conv2d,
        depthwise_conv2d_native,
        separable_conv2d,
    )
    from graphflow.ops.convolution_backprop import (
        conv2d_backprop_filter,
        conv2d_backprop_input,
        depthwise_conv2d_native_backprop_filter,
        depthwise_conv2d_native_backprop_input,
    )
    from graphflow.ops.convolution_transpose import (
        conv1d_transpose,
        conv2d_transpose,
        conv3d_transpose,
        conv_transpose,
    )
    from graphflow.ops.cross_entropies import (
        sigmoid_cross_entropy_with_logits,
        softmax_cross_entropy_with_logits,
        sparse_softmax_cross_entropy_with_logits,
    )
    from graphflow.ops.ctc import ctc_loss
    from graphflow.ops.ctc_decoders import ctc_beam_search_decoder, ctc_greedy_decoder
    from graphflow.ops.dropout import alpha_dropout, dropout, spatial_dropout
    from graphflow.ops.embedding import embedding_bag
    from graphflow.ops.integer_convolution import conv_integer, qlinear_conv
    from graphflow.ops.integer_products import matmul_integer, qlinear_matmul
    from graphflow.ops.losses import (
        absolute_difference,
        hinge_loss,
        huber_loss,
        log_loss,
        mean_squared_error,
        sigmoid_cross_entropy,
        softmax_cross_entropy,
        sparse_softmax_cross_entropy,
    )
    from graphflow.ops.moments import moments, normalize_moments, sufficient_statistics, weighted_moments
    from graphflow.ops.morphology import dilation2d, erosion2d
    from graphflow.ops.multi_head_attention import multi_head_attention
    from graphflow.ops.nn import bias_add, embedding_lookup, l2_loss, xw_plus_b
    from graphflow.ops.normalization import group_norm, instance_norm, l2_normalize, layer_norm, rms_norm
    from graphflow.ops.patches import col2im, im2col
    from graphflow.ops.pooling import (
        avg_pool,
        avg_pool1d,
        avg_pool2d,
        avg_pool3d,
        max_pool,
        max_pool1d,
        max_pool2d,
        max_pool3d,
        pool,
    )
    from graphflow.ops.pooling_global import global_avg_pool, global_max_pool
    from graphflow.ops.pooling_norm import lp_pool
    from graphflow.ops.positions import kv_cache_update, rotary_embedding, sinusoidal_encoding
    from graphflow.ops.quantization import dequantize_linear, dynamic_quantize_linear, quantize_linear
    from graphflow.ops.ranking import in_top_k, top_k
    from graphflow.ops.ranking_losses import contrastive_loss, margin_ranking_loss, triplet_loss
    from graphflow.ops.rectifiers import (
        celu,
        crelu,
        hard_sigmoid,
        hard_swish,
        hard_tanh,
        hardshrink,
        maxout,
        prelu,
        rrelu,
        softshrink,
        threshold,
        thresholded_relu,
    )
    from graphflow.ops.recurrent import gru, lstm, rnn
    from graphflow.ops.recurrent_stacks import bidirectional, stacked
    from graphflow.ops.regression_losses import (
        cosine_distance,
        cosine_similarity,
        kl_divergence,
        log_cosh_loss,
        log_poisson_loss,
        mean_absolute_error,
        mean_pairwise_squared_error,
        poisson_loss,
    )
    from graphflow.ops.response_normalization import local_response_normalization, lrn
    from graphflow.ops.sampled_losses import nce_loss, sampled_softmax_loss
    from graphflow.ops.smooth_activations import geglu, glu, mish, reglu, squareplus, swiglu, tanhshrink
    from graphflow.ops.space_depth import depth_to_space, space_to_depth
    from graphflow.ops.sparsemax import softmin, sparsemax
    from graphflow.ops.special_normal import logit
    from graphflow.ops.unpooling import max_pool_with_argmax, max_unpool
    from graphflow.ops.weight_norms import spectral_norm, weight_norm
    from graphflow.rnn import rnn_cell
    from graphflow.rnn.bidirectional import (
        bidirectional_dynamic_rnn,
        stack_bidirectional_dynamic_rnn,
        static_bidirectional_rnn,
    )
    from graphflow.rnn.unroll import dynamic_rnn, static_rnn

__getattr__ = on_demand(
    globals(),
    {
        "rnn_cell": "graphflow.rnn.rnn_cell",
        "dynamic_rnn": "graphflow.rnn.unroll",
        "static_rnn": "graphflow.rnn.unroll",
        "bidirectional_dynamic_rnn": "graphflow.rnn.bidirectional",
        "stack_bidirectional_dynamic_rnn": "graphflow.rnn.bidirectional",
        "static_bidirectional_rnn": "graphflow.rnn.bidirectional",
    },
)

__all__ = [
    "absolute_difference",
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "additive_attention",
    "alibi_bias",
    "alibi_slopes",
    "alpha_dropout",
    "atrous_conv2d",
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "batch_normalization",
    "bias_add",
    "bidirectional",
    "bidirectional_dynamic_rnn",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "categorical_hinge_loss",
    "causal_mask",
    "celu",
    "col2im",
    "contrastive_loss",
    "conv",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "conv_integer",
    "conv_transpose",
    "convolution",
    "cosine_distance",
    "cosine_similarity",
    "crelu",
    "ctc_beam_search_decoder",
    "ctc_greedy_decoder",
    "ctc_loss",
    "depth_to_space",
    "depthwise_conv2d",
    "depthwise_conv2d_native",
    "depthwise_conv2d_native_backprop_filter",
    "depthwise_conv2d_native_backprop_input",
    "dequantize_linear",
    "dilation2d",
    "dropout",
    "dynamic_quantize_linear",
    "dynamic_rnn",
    "elu",
    "embedding_bag",
    "embedding_lookup",
    "erosion2d",
    "focal_loss",
    "fused_batch_norm",
    "geglu",
    "gelu",
    "global_avg_pool",
    "global_max_pool",
    "glu",
    "group_norm",
    "gru",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "hardshrink",
    "hinge_loss",
    "huber_loss",
    "im2col",
    "in_top_k",
    "instance_norm",
    "kl_divergence",
    "kv_cache_update",
    "l2_loss",
    "l2_normalize",
    "layer_norm",
    "leaky_relu",
    "local_response_normalization",
    "log_cosh_loss",
    "log_loss",
    "log_poisson_loss",
    "log_sigmoid",
    "log_softmax",
    "log_uniform_candidate_sampler",
    "logit",
    "lp_pool",
    "lrn",
    "lstm",
    "margin_ranking_loss",
    "matmul_integer",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool_with_argmax",
    "max_unpool",
    "maxout",
    "mean_absolute_error",
    "mean_pairwise_squared_error",
    "mean_squared_error",
    "mish",
    "moments",
    "multi_head_attention",
    "nce_loss",
    "nll_loss",
    "normalize_moments",
    "poisson_loss",
    "pool",
    "prelu",
    "qlinear_conv",
    "qlinear_matmul",
    "quantize_linear",
    "reglu",
    "relu",
    "relu6",
    "rms_norm",
    "rnn",
    "rnn_cell",
    "rotary_embedding",
    "rrelu",
    "sampled_softmax_loss",
    "scaled_dot_product_attention",
    "selu",
    "separable_conv2d",
    "sigmoid",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "sinusoidal_encoding",
    "sliding_window_mask",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_logits",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "space_to_depth",
    "sparse_categorical_cross_entropy",
    "sparse_softmax_cross_entropy",
    "sparse_softmax_cross_entropy_with_logits",
    "sparsemax",
    "spatial_dropout",
    "spectral_norm",
    "squared_hinge_loss",
    "squareplus",
    "stack_bidirectional_dynamic_rnn",
    "stacked",
    "static_bidirectional_rnn",
    "static_rnn",
    "sufficient_statistics",
    "swiglu",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
    "thresholded_relu",
    "top_k",
    "triplet_loss",
    "uniform_candidate_sampler",
    "weight_norm",
    "weighted_cross_entropy_with_logits",
    "weighted_moments",
    "xw_plus_b",
]
