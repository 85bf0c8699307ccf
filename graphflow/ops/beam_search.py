"""Prefix beam search over the class scores of one sequence: the beginnings of labellings that are likeliest.

Each beginning has two log probabilities: of its alignments that end in the blank, and of those that end in its last
label. A step keeps a beginning or makes it longer by one label; where a longer one is there already, both are added.
Source: Graves 2012, "Sequence Transduction with Recurrent Neural Networks", and Hannun et al. 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["beam_search"]


class _Prefixes:
    """Beginnings of labellings as a tree: each is its parent and one more label; number 0 is the empty one."""

    def __init__(self) -> None:
        self.parents = [-1]
        self.labels = [-1]
        self.numbers: dict[tuple[int, int], int] = {}

    def longer(self, prefix: int, label: int) -> int:
        """The number of a beginning made longer by one label."""
        key = (prefix, label)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.parents)
            self.parents.append(prefix)
            self.labels.append(label)
        return number

    def spelled(self, prefix: int) -> np.ndarray[Any, Any]:
        """The labels of a beginning, int64."""
        found = []
        while prefix:
            found.append(self.labels[prefix])
            prefix = self.parents[prefix]
        return np.array(found[::-1], np.int64)


def _best(scores: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """The places of the `count` largest that are no -inf, largest first, earlier ones first among equals."""
    places = np.flatnonzero(scores > -np.inf)
    if places.size > count:
        values = scores[places]
        least = np.partition(values, places.size - count)[places.size - count]
        above = places[values > least]
        places = np.concatenate([above, places[values == least][: count - above.size]])
        places.sort()
    return places[np.argsort(-scores[places], kind="stable")]


def beam_search(
    scores: np.ndarray[Any, Any], width: int, paths: int, blank: int
) -> list[tuple[np.ndarray[Any, Any], float]]:
    """The `paths` likeliest labellings and their log probabilities, best first.

    scores: [time, classes], which softmax scales. width: how many beginnings are kept. Log probabilities are float64.
    """
    wide = scores.astype(np.float64)
    logs = wide - np.max(wide, axis=1, keepdims=True)
    logs -= np.log(np.sum(np.exp(logs), axis=1, keepdims=True))
    classes = logs.shape[1]
    tree = _Prefixes()
    beam = np.array([0])
    in_blank, in_label = np.zeros(1), np.full(1, -np.inf)
    for y in logs:
        last = np.array([tree.labels[p] for p in beam])
        total = np.logaddexp(in_blank, in_label)
        kept_blank = total + y[blank]
        kept_label = np.where(last >= 0, in_label + y[last], -np.inf)
        longer = total[:, None] + y[None, :]
        longer[:, blank] = -np.inf
        rows = np.flatnonzero(last >= 0)
        longer[rows, last[rows]] = in_blank[rows] + y[last[rows]]  # a repetition needs a blank between
        places = {int(p): i for i, p in enumerate(beam)}
        for j, p in enumerate(beam):
            parent = places.get(tree.parents[p])
            if parent is not None:
                kept_label[j] = np.logaddexp(kept_label[j], longer[parent, last[j]])
                longer[parent, last[j]] = -np.inf
        candidates = np.concatenate([np.logaddexp(kept_blank, kept_label), longer.reshape(-1)])
        chosen = _best(candidates, width)
        n = beam.size
        new_blank, new_label, new_beam = [], [], []
        for k in chosen.tolist():
            if k < n:
                new_beam.append(int(beam[k]))
                new_blank.append(kept_blank[k])
                new_label.append(kept_label[k])
            else:
                i, label = divmod(k - n, classes)
                new_beam.append(tree.longer(int(beam[i]), label))
                new_blank.append(-np.inf)
                new_label.append(candidates[k])
        beam = np.array(new_beam, dtype=np.int64)
        in_blank, in_label = np.array(new_blank), np.array(new_label)
    total = np.logaddexp(in_blank, in_label)
    return [(tree.spelled(int(beam[k])), float(total[k])) for k in _best(total, paths)]
