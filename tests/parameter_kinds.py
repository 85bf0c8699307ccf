"""Of which kind every parameter of the public functions is: said by its name, once for all functions."""

from __future__ import annotations

__all__ = ["kind_of"]

_PARAMETERS = {
    "tensor": """x y a b t v input input_tensor value params updates tensor real imag logits predictions weights
        multi_class_labels onehot_labels labels bias biases offset mean variance elems initializer grad_ys
        tangents on_value off_value stddev p ref initial_value shift clip_value_min clip_value_max min max
        constant_values""",
    "scalar": """start stop step minval maxval clip_norm use_norm fill_value scalar n global_step learning_rate
        decay_steps decay_rate end_learning_rate first_decay_steps warmup_steps global_step_tensor num_updates
        maximum_iterations scale""",
    "ints": "indices ids branch_index",
    "bools": "condition mask pred",
    "tensors": """inputs t_list ys xs arrays loop_vars inp stop_gradients nodes control_inputs tensors
        var_list boundaries""",
    "axis": """axis dimension reduction_indices axis1 axis2 axes perm start_axis end_axis source destination
        dim batch_dims""",
    "size": "n_rows n_cols k num num_samples depth rows cols repeats num_or_size_splits summarize max_to_keep",
    "sizes": "shape dims batch_shape repetitions paddings slices",
    "partial": "noise_shape shapes shape_invariants",
    "texts": "data",
    "number": """epsilon variance_epsilon correction alpha delta rate keep_prob ord t_mul m_mul power beta1
        beta2 decay momentum gain rho weight_decay initial_accumulator_value learning_rate_power
        l1_regularization_strength l2_regularization_strength l2_shrinkage_regularization_strength
        threads memory_limit""",
    "key": "key",
    "seed": "seed",
    "dtype": "dtype",
    "dtypes": "Tout",
    "name": "name",
    "ignored": """parallel_iterations swap_memory infer_shape use_locking copy strict""",
    "choice": """equation mode indexing distribution data_format unconnected_gradients optimize device""",
    "scope": "message end scope",
    "flag": """keepdims keep_dims exclusive reverse endpoint include_initial transpose_a transpose_b
        adjoint_a adjoint_b trainable approximate training staircase cycle uniform
        use_nesterov centered zero_debias stateful back_prop trailing
        return_same_structure""",
    "function": "fn f func true_fn false_fn cond body default pred_fn_pairs branch_fns wrapped",
    "graph": "graph into sess",
    "labels": "collections",
    "path": "path",
    "lookup": "checkpoint_prefix checkpoint_dir latest_filename",
}
"""Which parameters, by name, are of which kind."""

_EXCEPTIONS = {
    "linspace.num": "size",
    "diagonal.offset": "size",
    "trace.offset": "size",
    "matrix_diag.offset": "size",
    "roll.shift": "size",
    "nn.dropout.training": "tensor",
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
