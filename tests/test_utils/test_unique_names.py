# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmfer.utils.unique_names import UniqueNames


def test_names_are_unique():
    new_name = UniqueNames()
    names = [new_name(stem, '.jpg') for stem in ('a', 'a', 'A', 'a_2', 'b', 'a')]
    assert names == ['a.jpg', 'a_2.jpg', 'A_3.jpg', 'a_2_2.jpg', 'b.jpg', 'a_4.jpg']
    assert new_name('a', '.png') == 'a.png'


def test_spellings_that_are_equal_on_some_file_systems():
    new_name = UniqueNames('.', first=1)
    assert [new_name(stem, '.jpg') for stem in ('\xe4', 'a\u0308')] == ['\xe4.jpg', 'a\u0308.1.jpg']
