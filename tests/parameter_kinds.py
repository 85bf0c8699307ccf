"""Of which kind every parameter of the public functions is: said by its name, once for all functions."""

from __future__ import annotations

__all__ = ["kind_of"]

_PARAMETERS = {
    "tensor": """x y a b t v input input_tensor value params updates tensor real imag logits predictions weights
        multi_class_labels onehot_labels labels bias biases offset mean variance elems initializer grad_ys
        tangents on_value off_value stddev p ref initial_value shift clip_value_min clip_value_max min max
        constant_values
        matrix rhs chol images x1 x2 min_range max_range zero_point prepend append xp fp diagonal query
        filters filter out_backprop kernel w u recurrent_bias targets cache new first second
        log_probabilities a_zero_point b_zero_point x_zero_point filters_zero_point x_scale
        filters_scale y_scale y_zero_point a_scale b_scale depthwise_filter pointwise_filter anchor
        positive negative g pos_weight w_q w_k w_v w_o distances sparse_values default_value
        lower_upper signal stfts log_mel_spectrograms signals image boxes colors boxes1 boxes2 scores
        mean_ss variance_ss frequency_weights obj img1 img2 losses loss normalizer beta probs loc df multi_index lam initial_state
        initial_state_fw initial_state_bw coeffs bins value_range q""",
    "scalar": """start stop step minval maxval clip_norm use_norm fill_value scalar n global_step learning_rate
        decay_steps decay_rate end_learning_rate first_decay_steps warmup_steps global_step_tensor num_updates
        maximum_iterations scale
        num_segments max_delta extrapolation_value maxlen""",
    "ints": """indices ids branch_index
        segment_ids seq_lengths lengths sorter label_length logit_length true_classes box_ind position
        positions counts sequence_length sparse_indices""",
    "bools": """condition mask pred
        to_retain""",
    "tensors": """cells cells_fw cells_bw initial_states_fw initial_states_bw inputs t_list ys xs arrays loop_vars inp stop_gradients nodes control_inputs tensors
        var_list boundaries""",
    "axis": """axis dimension reduction_indices axis1 axis2 axes perm start_axis end_axis source destination
        dim batch_dims
        seq_axis batch_axis seq_dim batch_dim""",
    "size": """n_rows n_cols k num num_samples depth rows cols repeats num_or_size_splits summarize max_to_keep
        minlength maxlength num_classes block_size num_bits nbins num_lower num_upper num_heads
        num_kv_heads query_length key_length beam_width top_paths groups num_true num_sampled range_max
        num_units depth_radius num_iterations window_length frame_length frame_step fft_length
        num_mel_bins num_spectrogram_bins window offset_height offset_width target_height target_width
        max_output_size filter_size num_thresholds units depth_multiplier input_dim output_dim
        precision num_buckets padding_id count blank_index stride num_proj input_size""",
    "sizes": """shape dims batch_shape repetitions paddings slices
        block_shape crops output_shape kernel_size strides dilations ksizes rates output_size ksize size
        filter_sizes input_sizes output_padding dilation_rate window_shape s crop_size pool_size
        dense_shape""",
    "partial": "noise_shape shapes shape_invariants",
    "texts": "data",
    "number": """epsilon variance_epsilon correction alpha delta rate keep_prob ord t_mul m_mul power beta1
        beta2 decay momentum gain rho weight_decay initial_accumulator_value learning_rate_power
        l1_regularization_strength l2_regularization_strength l2_shrinkage_regularization_strength
        threads memory_limit
        dx l2_regularizer nan posinf neginf dropout_rate label_smoothing margin gamma lambd threshold
        theta base rtol rcond d pad_value sample_rate lower_edge_hertz upper_edge_hertz contrast_factor
        saturation_factor central_fraction iou_threshold score_threshold max_val coefficient
        filter_sigma k1 k2 max_norm forget_bias cell_clip proj_clip input_keep_prob output_keep_prob state_keep_prob specificity sensitivity thresholds scale_l1 scale_l2""",
    "key": "key",
    "sparse": "sp_input sp_a",
    "text": "keys string_tensor mapping",
    "string": "separator sep pattern rewrite",
    "initializer": """beta_initializer gamma_initializer moving_mean_initializer moving_variance_initializer
        kernel_initializer bias_initializer depthwise_initializer embeddings_initializer recurrent_initializer
        pointwise_initializer""",
    "seed": "seed",
    "dtype": """dtype
        output_dtype out_type out_dtype index_dtype out_idx T from_ to""",
    "dtypes": "Tout",
    "name": "name name_or_scope default_name",
    "ignored": """parallel_iterations swap_memory infer_shape use_locking copy strict
        use_cudnn_on_gpu
        ignore_longer_outputs_than_inputs fast swap""",
    "choice": """equation mode indexing distribution data_format unconnected_gradients optimize device reuse
        direction padding round_mode method side reduction combiner pooling_type partition_strategy
        norm kind unit curve summation_method lower""",
    "scope": "message end scope loss_collection",
    "flag": """keepdims keep_dims exclusive reverse endpoint include_initial transpose_a transpose_b
        adjoint_a adjoint_b trainable approximate training is_training staircase cycle uniform
        use_nesterov centered zero_debias stateful back_prop trailing
        return_same_structure
        descending stable narrow_range right density invert adjoint unit_diagonal full_matrices
        replace_global validate_indices skip_empty compute_uv sorted causal return_weights
        count_include_pad time_major from_logits merge_repeated logits_time_major reset_after log_input
        compute_full_loss unique remove_accidental_hits include_batch_in_index interleaved
        both_directions replace periodic pad_end saturate preserve_aspect_ratio antialias align_corners
        half_pixel_centers exclude_outside pad_to_max_output_size add_regularization_losses center
        use_bias return_sequences upper auxiliary_name_scope use_peepholes state_is_tuple variational_recurrent""",
    "function": """fn f func true_fn false_fn cond body default pred_fn_pairs branch_fns wrapped
        layer caching_device partitioner residual_fn cell cell_fw cell_bw activation window_fn forward_window_fn
        kernel_regularizer bias_regularizer depthwise_regularizer embeddings_regularizer pointwise_regularizer
        activity_regularizer regularizer custom_getter""",
    "graph": "graph into sess",
    "labels": "collections updates_collections metrics_collections",
    "path": "path",
    "lookup": "checkpoint_prefix checkpoint_dir latest_filename",
}
"""Which parameters, by name, are of which kind."""

_EXCEPTIONS = {
    "nn.log_poisson_loss.log_input": "tensor",
    "col2im.cols": "tensor",
    "metrics.mean.values": "tensor",
    "metrics.mean_tensor.values": "tensor",
    "metrics.percentage_below.values": "tensor",
    "histogram_fixed_width.values": "tensor",
    "histogram_fixed_width_bins.values": "tensor",
    "strings.LookupTable.values": "tensor",
    "strings.lookup_table.values": "tensor",
    "nn.additive_attention.key": "tensor",
    "nn.multi_head_attention.key": "tensor",
    "image.resize.method": "choice",
    "image.random_contrast.lower": "number",
    "image.random_contrast.upper": "number",
    "image.random_saturation.lower": "number",
    "image.random_saturation.upper": "number",
    "nn.rrelu.lower": "number",
    "nn.rrelu.upper": "number",
    **{
        f"{f}.data": "tensor"
        for f in ("segment_max", "segment_mean", "segment_min", "segment_prod", "segment_sum")
    },
    **{f"unsorted_segment_{f}.data": "tensor" for f in ("max", "mean", "min", "prod", "sqrt_n", "sum")},
    **{f"sparse_segment_{f}.data": "tensor" for f in ("mean", "sqrt_n", "sum")},
    **{
        f"layers.{f}.filters": "size"
        for f in ("conv1d", "conv2d", "conv3d", "conv2d_transpose", "conv3d_transpose", "separable_conv2d")
    },
    "image.resize_images.method": "size",
    "fft.dct.type": "size",
    "fft.idct.type": "size",
    **{
        f"{f}.dtype": "any dtype"
        for f in ("placeholder", "sparse_placeholder", "isdtype", "constant", "convert_to_tensor", "asarray")
    },
    "can_cast.from_": "dtype or array",
    "can_cast.to": "any dtype",
    "sparse_placeholder.shape": "partial",
    "sparse_to_dense.output_shape": "fed sizes",
    "constant.value": "text",
    "strings.index_to_string_table_from_tensor.default_value": "text",
    "string_split.source": "text",
    "string_join.inputs": "texts",
    "reduce_join.inputs": "text",
    **{f"{f}.input": "text" for f in ("string_strip", "string_to_hash_bucket", "substr", "regex_replace")},
    **{f"strings.{f}.input": "text" for f in ("length", "lower", "regex_full_match", "upper")},
    **{
        f"nn.{f}.padding": "padding"
        for f in (
            *("atrous_conv2d", "conv", "conv1d", "conv2d", "conv3d", "conv_integer", "convolution"),
            *("depthwise_conv2d", "depthwise_conv2d_native", "dilation2d", "erosion2d", "qlinear_conv"),
            "separable_conv2d",
        )
    },
    "im2col.padding": "padding",
    **{
        f"{f}.training": "switch"
        for f in (
            *("nn.rrelu", "nn.dropout", "nn.alpha_dropout", "nn.spatial_dropout", "nn.batch_norm"),
            *("layers.dropout", "layers.batch_normalization"),
        )
    },
    **{
        f"metrics.{f}_at_thresholds.thresholds": "numbers"
        for f in (
            *("false_negatives", "false_positives", "precision", "recall", "true_negatives"),
            "true_positives",
        )
    },
    "get_variable.initializer": "initializer",
    "nn.batch_norm.updates_collections": "scope",
    "nn.bidirectional.initial_state": "tensors",
    "polyval.coeffs": "tensors",
    "ravel_multi_index.multi_index": "tensors",
    "interp.right": "tensor",
    "nn.rnn_cell.DropoutWrapper.input_size": "nest of sizes",
    "variable_scope.values": "ignored",
    "asarray.obj": "text",
    "nn.embedding_lookup.params": "tensors",
    "histogram.range": "numbers",
    "interp.left": "tensor",
    "result_type.arrays_and_dtypes": "tensors",
    "substr.pos": "size",
    "substr.len": "size",
    "sparse_concat.sp_inputs": "tensors",
    "nn.nce_loss.sampled_values": "ignored",
    "nn.sampled_softmax_loss.sampled_values": "ignored",
    "nn.bidirectional.forward": "tensors",
    "nn.bidirectional.backward": "tensors",
    "linspace.num": "size",
    "diagonal.offset": "size",
    "trace.offset": "size",
    "matrix_diag.offset": "size",
    "roll.shift": "size",
    "concat.values": "tensors",
    "pack.values": "tensors",
    "stack.values": "tensors",
    "einsum.values": "tensors",
    "train.piecewise_constant.values": "tensors",
    "add_to_collection.name": "scope",
    "add_to_collection.value": "ignored",
    "get_collection.name": "scope",
    "placeholder.shape": "partial",
    "device.name": "scope",
    "Session.optimize": "choice",
    "Session.check": "choice",
    "gradients.stop_gradients": "ignored",
    "print.values": "texts",
    "map_fn.dtype": "dtypes",
    "nn.moments.shift": "ignored",
    **dict.fromkeys(("astype.name", "cast.name", "clip.name", "convert_to_tensor.name"), "ignored"),
    **dict.fromkeys(("conj.name", "imag.name", "positive.name", "real.name", "to_float.name"), "ignored"),
}
"""Parameters whose name means another kind elsewhere. A name is not looked at where the argument itself comes back."""

_KIND = {name: kind for kind, names in _PARAMETERS.items() for name in names.split()}


def kind_of(function: str, parameter: str) -> str:
    """The kind of a parameter. KeyError for one that the table does not know: enter it."""
    return _EXCEPTIONS.get(f"{function}.{parameter}") or _KIND[parameter]
