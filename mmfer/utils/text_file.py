# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import codecs
from pathlib import Path

# Byte order marks; UTF-32 first, because its marks start like those of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}


def read_text(path: str | Path, errors: str = 'strict') -> str:
    r"""Read a text file from the user: a list, a table, JSON.

    It may be UTF-8 with or without a byte order mark, or UTF-16 or UTF-32 with one, as editors on
    Windows save it. All line ends become ``\n``.

    Args:
        path (str | Path): The file.
        errors (str): How to handle bytes that are not UTF-8, see :meth:`bytes.decode`. Defaults to
            ``'strict'``.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not such text. The message has the file, the line and what to do.
    """
    content = Path(path).read_bytes()
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(marked) if marked else content.decode('utf-8-sig', errors)
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise ValueError(
            f'{path}, line {line}: byte {error.start} ({content[error.start]:#04x}) is not '
            f'{(marked or "utf-8").upper()} text. Save the file as UTF-8; for Western European '
            f'text from Windows, use iconv -f WINDOWS-1252 -t UTF-8'
        ) from error
    if '\0' in text:
        line = text.count('\n', 0, text.index('\0')) + 1
        raise ValueError(
            f'{path}, line {line} has a null character: it is not text, or UTF-16 without a byte '
            'order mark. Save the file as UTF-8'
        )
    return text.replace('\r\n', '\n').replace('\r', '\n')
