# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.datasets.splits import stratified_holdout

LABELS = [0] * 100 + [1] * 37 + [2] * 4 + [3]
NAMES = [f'train_{i:05d}.jpg' for i in range(len(LABELS))]


def chosen(*args, **kwargs):
    names = kwargs.pop('names', NAMES)
    held = stratified_holdout(names, *args, **kwargs)
    return {name for name, out in zip(names, held, strict=True) if out}


def test_takes_the_share_of_every_class():
    held = np.array(stratified_holdout(NAMES, LABELS, 0.1))
    assert np.bincount(np.array(LABELS)[held], minlength=4).tolist() == [10, 4, 1, 0]


def test_does_not_depend_on_the_order_of_the_list():
    order = np.random.default_rng(0).permutation(len(NAMES))
    shuffled = chosen([LABELS[i] for i in order], 0.1, names=[NAMES[i] for i in order])
    assert shuffled == chosen(LABELS, 0.1)


def test_selection_never_changes():
    # Fixed numbers: results on the held-out split stay comparable between versions.
    assert sorted(chosen([0] * 10, 0.3, names=NAMES[:10])) == [
        'train_00000.jpg',
        'train_00002.jpg',
        'train_00007.jpg',
    ]


def test_larger_ratio_holds_out_a_superset_and_another_seed_another_set():
    assert chosen(LABELS, 0.1) < chosen(LABELS, 0.2)
    assert chosen(LABELS, 0.1) != chosen(LABELS, 0.1, seed=1)


@pytest.mark.parametrize('ratio', [0, 1, -0.1])
def test_ratio_that_holds_out_nothing_or_all_is_an_error(ratio):
    with pytest.raises(ValueError, match=f'ratio .*{ratio}'):
        stratified_holdout(NAMES, LABELS, ratio)
