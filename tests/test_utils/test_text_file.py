# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.utils.short_list import short_lines, short_list
from mmfer.utils.text_file import read_text

TEXT = 'café 1\nb 2\n'


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-32'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_encodings_of_editors(tmp_path, encoding, end):
    path = tmp_path / 'a.txt'
    path.write_bytes(TEXT.replace('\n', end).encode(encoding))
    assert read_text(path) == TEXT


def test_utf16_with_the_other_byte_order(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'\xfe\xff' + TEXT.encode('utf-16-be'))
    assert read_text(path) == TEXT


@pytest.mark.parametrize(
    ('content', 'named'),
    [
        (b'a 1\ncaf\xe9 2\n', 'a.txt, line 2: byte 7 (0xe9) is not UTF-8'),
        (b'\xff\xfea', 'a.txt, line 1'),
        ('a 1'.encode('utf-16-le'), 'a.txt, line 1 has a null character'),
    ],
)
def test_other_bytes_are_an_error_with_the_line_and_a_remedy(tmp_path, content, named):
    path = tmp_path / 'a.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='Save the file as UTF-8') as error:
        read_text(path)
    assert named in str(error.value)


def test_bytes_of_file_names_can_be_kept(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'caf\xe9\n')
    assert read_text(path, 'surrogateescape') == 'caf\udce9\n'


def test_short_list():
    assert short_list('abcde') == "'a', 'b', 'c', 'd', 'e'"
    assert short_list({number: 0 for number in range(3000)}) == '0, 1, 2, 3, 4, and 2,995 more'
    assert short_list('abc', most=2) == "'a', 'b', and 1 more"
    assert short_list([]) == 'none' and short_lines([]) == ''
    assert short_lines(range(7)) == '\n  0\n  1\n  2\n  3\n  4\n  and 2 more'
