"""The ops: each file declares some, beside the public functions that build their nodes."""
