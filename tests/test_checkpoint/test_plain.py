# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import enum
import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from mmfer.checkpoint.plain import NotPlainError, from_plain, to_plain


def through_a_file(value):
    file = io.BytesIO()
    torch.save(to_plain(value), file)
    file.seek(0)
    return from_plain(torch.load(file, weights_only=True))


@pytest.mark.parametrize(
    'value',
    [
        None,
        True,
        3,
        2.5,
        1j,
        'Anger',
        b'bytes',
        (1, [2, (3,)]),
        {1, 2},
        {'a': {'b': (None, -1)}},
    ],
)
def test_plain_values_are_kept(value):
    back = through_a_file(value)
    assert back == value and type(back) is type(value)


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    'value, expected',
    [
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.str_('a'), 'a'),
        (Path('a/b'), str(Path('a/b'))),
        (ConfigDict(a=dict(b=1)), {'a': {'b': 1}}),
        (OrderedDict(a=1), {'a': 1}),
        (Level.HIGH, 3),
    ],
)
def test_similar_types_become_plain(value, expected):
    back = through_a_file({'key': value})['key']
    assert back == expected and type(back) is type(expected)


@pytest.mark.parametrize('dtype', ['bool', 'uint8', 'int64', 'float32', 'float64'])
def test_arrays_keep_their_type(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    back = through_a_file([array])[0]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert through_a_file(array[0, 0, ...]).shape == ()


def test_history_buffer_continues():
    buffer = HistoryBuffer([1.0, 2.0, 4.0], [1, 1, 2], max_length=3)
    back = through_a_file({'loss': buffer})['loss']
    for history in (buffer, back):
        history.update(0.25, 4)
    assert back.max_length == 3
    np.testing.assert_array_equal(back.data, buffer.data)
    assert back.mean(2) == buffer.mean(2)


def test_the_original_is_unchanged():
    value = {'a': [np.float64(1)]}
    to_plain(value)
    assert type(value['a'][0]) is np.float64


@pytest.mark.parametrize('value', [len, object(), np.array([object()])])
def test_values_without_a_plain_form_are_named(value):
    with pytest.raises(NotPlainError, match=r'meta\.notes\.1'):
        to_plain({'notes': [0, value]}, 'meta')
