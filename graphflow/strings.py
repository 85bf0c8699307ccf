"""`gf.strings`: text as constants and feeds, for the ops that take it; tables from text to numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.op import on_demand
from graphflow.ops.lookup import LookupTable

if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.lookup import index_table_from_tensor, index_to_string_table_from_tensor, lookup_table
    from graphflow.ops.strings import as_string, reduce_join, regex_full_match, regex_replace, substr
    from graphflow.ops.strings import string_join as join
    from graphflow.ops.strings import string_length as length
    from graphflow.ops.strings import string_lower as lower
    from graphflow.ops.strings import string_split as split
    from graphflow.ops.strings import string_strip as strip
    from graphflow.ops.strings import string_to_hash_bucket as to_hash_bucket
    from graphflow.ops.strings import string_to_number as to_number
    from graphflow.ops.strings import string_upper as upper

__getattr__ = on_demand(
    globals(),
    join="string_join",
    length="string_length",
    lower="string_lower",
    split="string_split",
    strip="string_strip",
    to_hash_bucket="string_to_hash_bucket",
    to_number="string_to_number",
    upper="string_upper",
)

__all__ = [
    "LookupTable",
    "as_string",
    "index_table_from_tensor",
    "index_to_string_table_from_tensor",
    "join",
    "length",
    "lookup_table",
    "lower",
    "reduce_join",
    "regex_full_match",
    "regex_replace",
    "split",
    "strip",
    "substr",
    "to_hash_bucket",
    "to_number",
    "upper",
]
