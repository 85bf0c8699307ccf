"""The ops: each file declares some, beside the public functions that build their nodes.

`import graphflow` imports the files that most programs use; `LATER` names the others, which are imported when one of
their functions is first asked for.
"""

from __future__ import annotations

from graphflow.op import F

__all__ = ["LATER"]

LATER: dict[str, str] = {
    "activations": (
        "elu gelu leaky_relu log_sigmoid log_softmax relu relu6 selu sigmoid silu softmax softplus "
        "softsign swish"
    ),
    "adaptive_pooling": "adaptive_avg_pool adaptive_max_pool",
    "attention": "additive_attention scaled_dot_product_attention",
    "attention_masks": "alibi_bias alibi_slopes causal_mask sliding_window_mask",
    "band": "band_part matrix_diag_part matrix_set_diag",
    "batch_norm": "batch_norm batch_normalization fused_batch_norm",
    "blocks": "batch_to_space_nd space_to_batch_nd",
    "candidate_sampling": "log_uniform_candidate_sampler uniform_candidate_sampler",
    "cholesky": "cholesky cholesky_solve",
    "classification_losses": (
        "binary_cross_entropy categorical_cross_entropy categorical_hinge_loss focal_loss nll_loss "
        "sparse_categorical_cross_entropy squared_hinge_loss weighted_cross_entropy_with_logits"
    ),
    "convolution": (
        "atrous_conv2d conv conv1d conv2d conv3d convolution depthwise_conv2d depthwise_conv2d_native "
        "separable_conv2d"
    ),
    "convolution_backprop": (
        "conv2d_backprop_filter conv2d_backprop_input depthwise_conv2d_native_backprop_filter "
        "depthwise_conv2d_native_backprop_input"
    ),
    "convolution_transpose": "conv1d_transpose conv2d_transpose conv3d_transpose conv_transpose",
    "counting": "bincount confusion_matrix",
    "crop_and_resize": "crop_and_resize",
    "cross": "cross",
    "cross_entropies": (
        "sigmoid_cross_entropy_with_logits softmax_cross_entropy_with_logits "
        "sparse_softmax_cross_entropy_with_logits"
    ),
    "ctc": "ctc_loss",
    "ctc_decoders": "ctc_beam_search_decoder ctc_greedy_decoder",
    "determinant": "det slogdet",
    "dropout": "alpha_dropout dropout spatial_dropout",
    "eig": "eig eigvals",
    "eigen": "eigh eigvalsh",
    "embedding": "embedding_bag partitioned_lookup",
    "expm": "expm",
    "fft": "fft fft2 fftn hfft ifft ifft2 ifftn ihfft irfft irfft2 irfftn rfft rfft2 rfftn",
    "fft_aliases": "fft2d fft3d ifft2d ifft3d irfft2d irfft3d rfft2d rfft3d",
    "fft_convolve": "convolve correlate",
    "fft_cosine": "dct idct",
    "fft_frames": "frame overlap_and_add",
    "fft_shift": "fftfreq fftshift ifftshift rfftfreq",
    "fft_stft": (
        "inverse_stft inverse_stft_window_fn linear_to_mel_weight_matrix mfccs_from_log_mel_spectrograms stft"
    ),
    "fft_windows": (
        "bartlett_window blackman_window hamming_window hann_window kaiser_bessel_derived_window "
        "kaiser_window vorbis_window"
    ),
    "histograms": "histogram histogram_fixed_width histogram_fixed_width_bins",
    "image_adjust": (
        "adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation "
        "per_image_standardization random_brightness random_contrast random_hue random_saturation"
    ),
    "image_boxes": "iou non_max_suppression non_max_suppression_padded",
    "image_color": (
        "convert_image_dtype grayscale_to_rgb hsv_to_rgb rgb_to_grayscale rgb_to_hsv rgb_to_yiq "
        "rgb_to_yuv yiq_to_rgb yuv_to_rgb"
    ),
    "image_drawing": "draw_bounding_boxes",
    "image_geometry": (
        "central_crop crop_to_bounding_box flip_left_right flip_up_down pad_to_bounding_box "
        "random_flip_left_right random_flip_up_down resize_image_with_crop_or_pad rot90 "
        "transpose_image"
    ),
    "image_quality": "image_gradients psnr sobel_edges ssim total_variation",
    "index_arithmetic": "ravel_multi_index unravel_index",
    "integer_convolution": "conv_integer qlinear_conv",
    "integer_products": "matmul_integer qlinear_matmul",
    "least_squares": "lstsq pinv",
    "linalg_aliases": "adjoint matrix_inverse matrix_solve matrix_solve_ls qr_of svd_suv",
    "logm": "logm sqrtm",
    "lookup": "index_table_from_tensor index_to_string_table_from_tensor lookup_table",
    "losses": (
        "absolute_difference hinge_loss huber_loss log_loss mean_squared_error sigmoid_cross_entropy "
        "softmax_cross_entropy sparse_softmax_cross_entropy"
    ),
    "lu": "lu lu_solve",
    "matrix_products": "kron matrix_power multi_dot",
    "moments": "moments normalize_moments sufficient_statistics weighted_moments",
    "morphology": "dilation2d erosion2d",
    "multi_head_attention": "multi_head_attention",
    "nn": "bias_add embedding_lookup l2_loss xw_plus_b",
    "normalization": "group_norm instance_norm l2_normalize layer_norm rms_norm",
    "patches": "col2im extract_image_patches extract_volume_patches im2col",
    "pooling": "avg_pool avg_pool1d avg_pool2d avg_pool3d max_pool max_pool1d max_pool2d max_pool3d pool",
    "pooling_global": "global_avg_pool global_max_pool",
    "pooling_norm": "lp_pool",
    "positions": "kv_cache_update rotary_embedding sinusoidal_encoding",
    "qr": "qr",
    "quantiles": "median percentile quantile",
    "quantization": "dequantize_linear dynamic_quantize_linear quantize_linear",
    "random_choice": "multinomial random_choice random_crop",
    "random_counts": "random_binomial random_multinomial random_poisson",
    "random_families": (
        "random_beta random_chi2 random_dirichlet random_geometric random_lognormal random_student_t"
    ),
    "random_gamma": "random_gamma",
    "random_quantiles": "random_cauchy random_gumbel random_laplace random_logistic",
    "ranged_quantization": (
        "dequantize fake_quant_with_min_max_args fake_quant_with_min_max_vars "
        "fake_quant_with_min_max_vars_per_channel quantize"
    ),
    "ranking": "in_top_k nth_element top_k",
    "ranking_losses": "contrastive_loss margin_ranking_loss triplet_loss",
    "rectifiers": (
        "celu crelu hard_sigmoid hard_swish hard_tanh hardshrink maxout prelu rrelu softshrink "
        "threshold thresholded_relu"
    ),
    "recurrent": "gru lstm rnn",
    "recurrent_stacks": "bidirectional stacked",
    "regression_losses": (
        "cosine_distance cosine_similarity kl_divergence log_cosh_loss log_poisson_loss "
        "mean_absolute_error mean_pairwise_squared_error poisson_loss"
    ),
    "resize": (
        "resize resize_area resize_bicubic resize_bilinear resize_images resize_nearest_neighbor "
        "upsample_nearest"
    ),
    "response_normalization": "local_response_normalization lrn",
    "running": "cumulative_logsumexp cumulative_max cumulative_min diff",
    "sampled_losses": "nce_loss sampled_softmax_loss",
    "scatter_variables": (
        "scatter_add scatter_div scatter_max scatter_min scatter_mul scatter_nd_add scatter_nd_max "
        "scatter_nd_min scatter_nd_sub scatter_nd_update scatter_sub scatter_update"
    ),
    "searching": "argwhere bucketize digitize flatnonzero isin nonzero searchsorted",
    "segments": (
        "segment_max segment_mean segment_min segment_prod segment_sum sparse_segment_mean "
        "sparse_segment_sqrt_n sparse_segment_sum unsorted_segment_max unsorted_segment_mean "
        "unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n unsorted_segment_sum"
    ),
    "sequences": "reverse_sequence sequence_mask",
    "sets": "setdiff1d unique unique_all unique_counts unique_inverse unique_values unique_with_counts",
    "smooth_activations": "geglu glu mish reglu squareplus swiglu tanhshrink",
    "solve": "inv solve",
    "sorting": "argsort invert_permutation sort",
    "space_depth": "depth_to_space space_to_depth",
    "sparse": (
        "sparse_add sparse_concat sparse_from_dense sparse_multiply sparse_reduce_max "
        "sparse_reduce_sum sparse_reorder sparse_reshape sparse_retain sparse_softmax "
        "sparse_tensor_dense_matmul sparse_tensor_to_dense sparse_to_dense sparse_transpose"
    ),
    "sparse_tensor": "sparse_placeholder",
    "sparsemax": "softmin sparsemax",
    "special_bessel": "bessel_i0 bessel_i0e bessel_i1 bessel_i1e",
    "special_curves": "cumulative_trapezoid interp polyval trapezoid",
    "special_elementary": "deg2rad entr fmod gcd heaviside lcm nan_to_num rad2deg sinc xdivy xlog1py xlogy",
    "special_gamma": "betainc betaln gammainc gammaincc igamma igammac lbeta zeta",
    "special_normal": "erfcx expit log_ndtr logit ndtr ndtri",
    "strings": (
        "as_string reduce_join regex_full_match regex_replace string_equal string_join string_length "
        "string_lower string_split string_strip string_to_hash_bucket string_to_number string_upper "
        "substr"
    ),
    "svd": "condition_number matrix_rank svd svdvals",
    "triangular_solve": "triangular_solve",
    "unpooling": "max_pool_with_argmax max_unpool",
    "weight_norms": "spectral_norm weight_norm",
}
"""The public functions of each module that is imported on first use."""

F.later.update({name: f"graphflow.ops.{module}" for module, names in LATER.items() for name in names.split()})
