# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import struct
import sys
from io import BytesIO

import cv2
import numpy as np
import pytest
from heif_files import avif, box, brands, heic, sizes, track
from PIL import Image, features

from mmfer.utils.heif_header import heif_size
from mmfer.utils.image_header import (
    ImageHeaderError,
    check_image,
    check_size,
    image_format,
    image_size,
    is_video,
    scan_jpeg,
)

SAVED = {
    'JPEG': [dict(format='JPEG'), dict(format='JPEG', progressive=True)],
    'PNG': [dict(format='PNG')],
    'WebP': [
        dict(format='WEBP'),
        dict(format='WEBP', lossless=True),
        dict(format='WEBP', exif=b'a'),
    ],
    'BMP': [dict(format='BMP')],
    'TIFF': [dict(format='TIFF'), dict(format='TIFF', big_tiff=True)],
    'GIF': [dict(format='GIF')],
    'JPEG 2000': [dict(format='JPEG2000'), dict(format='JPEG2000', no_jp2=True)],
    'PPM': [dict(format='PPM')],
}
if features.check('avif'):
    SAVED['AVIF'] = [dict(format='AVIF')]


def saved(width=70, height=30, **options):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ('name', 'options'), [(name, options) for name, each in SAVED.items() for options in each]
)
def test_every_supported_format(name, options):
    content = saved(**options)
    assert image_size(content) == (name, 70, 30)
    assert not is_video(content)
    with pytest.raises(ImageHeaderError, match='70x30'):
        check_image(content, 2099)
    for end in (2, 6):
        with pytest.raises(ImageHeaderError):
            image_size(content[:end])


@pytest.mark.parametrize(('height', 'announced'), [(100, 100), (30, 64)])
def test_heic(height, announced):
    """An image smaller than a block of the encoder is cropped from one: the block is decoded."""
    pillow_heif = pytest.importorskip('pillow_heif', reason='pillow-heif is not installed')
    file = BytesIO()
    pillow_heif.from_pillow(Image.new('RGB', (70, height))).save(file)
    assert image_size(file.getvalue()) == ('HEIC', 70, announced)
    with pytest.raises(ImageHeaderError, match=f'70x{announced}'):
        check_image(file.getvalue(), 70 * announced - 1)


def test_sizes_in_skipped_parts_are_ignored():
    """The size of a thumbnail and of other parts that decoders skip."""
    content = saved(format='JPEG')
    thumbnail = b'\xff\xe1' + (2 + 300).to_bytes(2, 'big') + saved(9, 9, format='JPEG')[:300]
    assert scan_jpeg(content[:2] + thumbnail + content[2:])[1] == (70, 30)
    alone = b'\xff\xd0\xff\xff\xff\x01'
    assert scan_jpeg(content[:2] + alone + content[2:])[1] == (70, 30)


def test_a_header_with_two_sizes():
    """Decoders differ in which one they use, so the largest is returned."""
    tiff = b'II*\0\x08\0\0\0' + struct.pack('<H', 4)
    for tag, value in ((256, 30_000), (256, 70), (257, 30_000), (257, 30)):
        tiff += struct.pack('<HHII', tag, 4, 1, value)
    assert image_size(tiff)[1:] == (30_000, 30_000)
    tile = struct.pack('<HHII', 322, 4, 1, 40_000)
    assert image_size(tiff[:8] + struct.pack('<H', 5) + tile + tiff[10:])[1:] == (40_000, 30_000)
    content = saved(format='JPEG2000')
    box = content.index(b'ihdr') + 4
    small = content[:box] + struct.pack('>2I', 3, 7) + content[box + 8 :]
    assert image_size(small)[1:] == (70, 30)
    jpeg = saved(format='JPEG')
    frame = b'\xff\xc0\x00\x0b\x08' + struct.pack('>2H', 9, 9) + b'\x01\x01\x11\x00'
    assert image_size(jpeg[:2] + frame + jpeg[2:])[1:] == (70, 30)
    assert image_size(saved(format='BMP')[:22] + struct.pack('<i', -30) + bytes(40))[1:] == (70, 30)


@pytest.mark.parametrize(
    ('head', 'name'),
    [
        (b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'HEIC'),
        (b'\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf', 'AVIF'),
        (b'\0\0\0\x18ftypcrx \0\0\0\1crx isom', 'camera raw'),
        (b'II*\0\x10\0\0\0CR\2\0', 'camera raw'),
        (b'8BPS\0\1', 'Photoshop'),
        (b'#?RADIANCE\n', 'Radiance HDR'),
    ],
)
def test_images_that_are_not_decoded_are_named(head, name):
    assert image_format(head) == name and not is_video(head)
    if name not in ('AVIF', 'HEIC'):
        with pytest.raises(ImageHeaderError, match=f'it is {name}; JPEG, PNG'):
            image_size(head)


@pytest.mark.parametrize(
    ('content', 'size'),
    [
        (heic(70, 30), (70, 30)),
        (avif(70, 30), (70, 30)),
        (heic(70, 30) + b'junk behind it', (70, 30)),
        (heic(70, 30)[: -50 - 8] + b'\0\0\0\0mdat' + bytes(9), (70, 30)),  # up to the end
        # A thumbnail, tiles and the full image; a still image and a larger video.
        (brands('heic') + sizes((9, 9), (512, 512), (4032, 3024), (512, 512)), (4032, 3024)),
        (brands('avis') + sizes((70, 30)) + track(80, 40), (80, 40)),
        (brands('avis') + track(80, 40, version=1), (80, 40)),
    ],
)
def test_sizes_in_boxes(content, size):
    """Also without a package that decodes them."""
    assert heif_size(content) == size
    # A length of 1 is followed by one of 64 bits.
    start = content.index(b'meta' if b'meta' in content else b'moov') - 4
    (length,) = struct.unpack_from('>I', content, start)
    large = struct.pack('>I4sQ', 1, content[start + 4 : start + 8], length + 8)
    assert heif_size(content[:start] + large + content[start + 8 :]) == size


@pytest.mark.parametrize('end', [100, -1])
def test_boxes_that_end_after_the_file(end):
    with pytest.raises(EOFError):
        heif_size(heic(70, 30)[:end])


@pytest.mark.parametrize(
    'content', [brands('heic'), brands('heic') + box('meta'), brands('heic') + box('mdat')]
)
def test_boxes_without_a_size(content):
    with pytest.raises(ValueError):
        heif_size(content)


@pytest.fixture
def no_plug_ins(monkeypatch):
    """Without pillow-heif and without support for AVIF."""
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    monkeypatch.setattr(cv2, 'haveImageWriter', lambda name: False)
    monkeypatch.setattr(features, 'modules', {})


@pytest.fixture
def plug_ins(monkeypatch):
    """With packages for both; they are not called."""
    monkeypatch.setattr('mmfer.utils.image_header.needed_package', lambda name: None)


def test_the_error_says_what_to_install(no_plug_ins):
    with pytest.raises(ImageHeaderError, match='it is HEIC; to read it: pip install pillow-heif'):
        image_size(heic(70, 30))
    with pytest.raises(ImageHeaderError, match="it is AVIF; to read it: pip install 'pillow>=11.3"):
        image_size(avif(70, 30))


def test_too_large_images_are_errors_before_decoding(plug_ins):
    for content in (heic(20_000, 20_000), avif(20_000, 20_000)):
        with pytest.raises(ImageHeaderError, match='its 20000x20000 pixels are 400,000,000'):
            check_image(content)
    assert check_image(heic(70, 30)) == ('HEIC', 70, 30)
    with pytest.raises(ImageHeaderError, match='truncated, it ends after 150 bytes'):
        check_image(heic(70, 30)[:150])
    with pytest.raises(ImageHeaderError, match='its HEIC header is damaged'):
        check_image(brands('heic'))


def test_previews_of_camera_raw_are_errors():
    file = BytesIO()
    Image.new('RGB', (70, 30)).save(file, 'TIFF', tiffinfo={254: 1})
    with pytest.raises(ImageHeaderError, match='preview'):
        image_size(file.getvalue())


@pytest.mark.parametrize(
    'head',
    [
        b'',
        b'BMW and others',
        b'P1 is a note',
        b'P6',
        b'PK\3\4',
        b'GIF',
        b'ID3\4',
        b'#EXTM3U\n',
        b'\0' * 999,
    ],
)
def test_files_that_are_neither_image_nor_video(head):
    assert image_format(head) is None and not is_video(head)


@pytest.mark.parametrize(
    'head',
    [
        b'\0\0\0\x20ftypisom\0\0\2\0isomiso2',
        b'\0\0\0\x14ftypqt  \0\0\0\0qt  ',
        b'\0\0\0\x14ftyp3gp4\0\0\0\0isom',
        b'\0\0\0\x08wide\0\0\0\0mdat',
        b'RIFF\0\0\0\0AVI LIST',
        b'FLV\x01\5',
        b'\x1aE\xdf\xa3',
        b'OggS\0\2' + bytes(22) + b'\x80theora',
        (b'G' + bytes(187)) * 5,
        (b'\0\0\0\0G' + bytes(187)) * 5,
    ],
)
def test_videos(head):
    assert is_video(head) and image_format(head) is None


def test_audio_is_not_a_video():
    assert not is_video(b'\0\0\0\x20ftypM4A \0\0\2\0isomiso2')
    assert not is_video(b'OggS\0\2' + bytes(22) + b'\1vorbis')


def test_written_videos(tmp_path):
    for suffix, codec in (('avi', 'MJPG'), ('mp4', 'mp4v'), ('mkv', 'mp4v'), ('mov', 'mp4v')):
        path = str(tmp_path / f'film.{suffix}')
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*codec), 8, (32, 24))
        writer.write(np.zeros((24, 32, 3), np.uint8))
        writer.release()
        with open(path, 'rb') as file:
            assert is_video(file.read(1024)), suffix


def test_a_side_that_opencv_cannot_rotate():
    check_size(32_766, 10)
    with pytest.raises(ImageHeaderError, match='32767x10 pixels; a side may have 32766'):
        check_size(32_767, 10)
