"""`gf.data`: input for training loops: batches, shuffling, repeating, mapping and prefetching on a thread.

batches = gf.data.Dataset.from_arrays((images, labels)).shuffle(seed=0).batch(50).prefetch(2)
for epoch in range(10):
    for x_batch, y_batch in gf.data.progress(batches, f"epoch {epoch}"):
        session.run(train, {x: x_batch, y: y_batch})
"""

from __future__ import annotations

from graphflow.data.dataset import Dataset
from graphflow.data.progress import progress

__all__ = ["Dataset", "progress"]
