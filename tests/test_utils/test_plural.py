# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.utils.plural import plural


@pytest.mark.parametrize(('number', 'expected'), [(0, 'faces'), (1, 'face'), (2, 'faces')])
def test_plural(number, expected):
    assert plural(number, 'face') == expected
