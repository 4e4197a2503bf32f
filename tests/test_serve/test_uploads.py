# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from mmfer.datasets.transforms import LoadFaceImage
from mmfer.serve.uploads import RefusedUploadError, UploadLimits, decode_upload


def make_image(width=40, height=30):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def encode(suffix, image=None):
    return cv2.imencode(suffix, make_image() if image is None else image)[1].tobytes()


def png_chunk(kind, content):
    body = kind + content
    return struct.pack('>I', len(content)) + body + struct.pack('>I', zlib.crc32(body))


def bomb(width, height, rows):
    """A small PNG whose header announces a huge gray image, with some of its rows."""
    packer = zlib.compressobj(9)
    pixels = b''.join(packer.compress(bytes(width + 1)) for _ in range(rows)) + packer.flush()
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    chunks = ((b'IHDR', header), (b'IDAT', pixels), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.bmp'])
def test_the_same_pixels_as_from_a_file(suffix, tmp_path):
    path = tmp_path / f'image{suffix}'
    path.write_bytes(encode(suffix))
    expected = LoadFaceImage()(dict(img_path=str(path)))['img']
    np.testing.assert_array_equal(decode_upload(path.read_bytes(), UploadLimits()), expected)


def test_exif_orientation():
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(make_image(40, 30)).save(file, 'jpeg', exif=exif)
    assert decode_upload(file.getvalue(), UploadLimits()).shape == (40, 30, 3)


def test_limits_are_inclusive():
    content = encode('.png')
    decode_upload(content, UploadLimits(len(content), 1200))
    for limits, text in (
        (UploadLimits(len(content) - 1), 'larger than'),
        (UploadLimits(max_pixels=1199), 'more than'),
    ):
        with pytest.raises(RefusedUploadError, match=text) as refused:
            decode_upload(content, limits)
        assert refused.value.status == 413


@pytest.mark.parametrize('size', [(6000, 6000, 6000), (40000, 40000, 10)])
def test_a_bomb_is_rejected_before_decoding(size, monkeypatch):
    """The second is above Pillow's own limit."""
    content = bomb(*size)
    assert len(content) < 100_000
    monkeypatch.setattr('mmfer.serve.uploads.decode_image', lambda *_, **__: pytest.fail())
    with pytest.raises(RefusedUploadError, match='25 megapixels') as refused:
        decode_upload(content, UploadLimits())
    assert refused.value.status == 413


def test_limit_of_jpeg_scans(monkeypatch):
    """Each covers the whole image: thousands take minutes."""
    file = BytesIO()
    Image.fromarray(make_image()).save(file, 'jpeg', progressive=True)
    content = file.getvalue()
    decode_upload(content, UploadLimits())
    last = content[content.rindex(b'\xff\xda') : -2]
    monkeypatch.setattr('mmfer.serve.uploads.decode_image', lambda *_, **__: pytest.fail())
    with pytest.raises(RefusedUploadError, match='more than 100 scans'):
        decode_upload(content[:-2] + 100 * last + content[-2:], UploadLimits())


def gif():
    file = BytesIO()
    Image.fromarray(make_image()).save(file, 'gif')
    return file.getvalue()


@pytest.mark.parametrize(
    ('content', 'status', 'message'),
    [
        (b'', 415, 'send JPEG, PNG, WebP or BMP'),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, 'not a supported image'),
        (gif(), 415, 'not a supported image'),
        (encode('.tiff'), 415, 'not a supported image'),
        (encode('.png')[:20], 422, 'header is damaged'),
        (encode('.jpg')[:-200], 422, 'truncated'),
        (encode('.png')[:-200], 422, 'truncated'),
        (encode('.webp')[:-200], 422, 'damaged'),
    ],
)
def test_refused(content, status, message):
    with pytest.raises(RefusedUploadError, match=message) as refused:
        decode_upload(content, UploadLimits())
    assert refused.value.status == status


def test_damaged_inside():
    content = bytearray(encode('.png'))
    content[60:90] = bytes(30)
    with pytest.raises(RefusedUploadError) as refused:
        decode_upload(bytes(content), UploadLimits())
    assert refused.value.status == 422


@pytest.mark.parametrize('arguments', [dict(max_bytes=0), dict(max_pixels=-1)])
def test_limits_are_positive(arguments):
    with pytest.raises(ValueError, match='max_'):
        UploadLimits(**arguments)
