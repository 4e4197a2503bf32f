# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import codecs
from pathlib import Path

# How editors mark text; the four bytes first, as they begin with the two.
_MARKS = {
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}


def read_text(path: str | Path, errors: str = 'strict') -> str:
    r"""Read a text file that a person or a program has written: a list, a table, JSON.

    It is UTF-8, with or without a byte order mark, or UTF-16 or UTF-32 with one, as editors on
    Windows save it. Lines end with ``\n``, whatever ends them in the file.

    Args:
        path (str | Path): The file.
        errors (str): What to do about bytes that are no UTF-8, see :meth:`bytes.decode`. Default:
            raise.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such text; names the file and the line, and says what to do.
    """
    content = Path(path).read_bytes()
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(marked) if marked else content.decode('utf-8-sig', errors)
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise ValueError(
            f'{path}, line {line}: byte {error.start} ({content[error.start]:#04x}) is no '
            f'{(marked or "utf-8").upper()} text. Save the file as UTF-8; of Western European text '
            f'of Windows, iconv -f WINDOWS-1252 -t UTF-8 makes it'
        ) from error
    if '\0' in text:
        line = text.count('\n', 0, text.index('\0')) + 1
        raise ValueError(
            f'{path}, line {line} holds a character 0: this is no text, or UTF-16 without a byte '
            'order mark. Save the file as UTF-8'
        )
    return text.replace('\r\n', '\n').replace('\r', '\n')
