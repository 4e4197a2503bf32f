# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest

from mmfer.datasets.transforms import LoadFaceImage, UnreadableImageError, is_truncated


@pytest.fixture
def image():
    # Smooth, like a photograph: with noise the file would be truncated in its header's tables.
    rows, columns = np.mgrid[:64, :48]
    return np.stack([rows * 3, columns * 4, rows + columns], axis=-1).astype(np.uint8)


def encode(image, suffix, *options):
    return cv2.imencode(suffix, image, options)[1].tobytes()


def one_bit_png(width, height):
    def chunk(kind, content):
        checked = struct.pack('>I', zlib.crc32(kind + content))
        return struct.pack('>I', len(content)) + kind + content + checked

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', b'') + chunk(b'IEND', b'')


def load(path):
    return LoadFaceImage()(dict(img_path=str(path)))


def test_loads_bgr_with_its_shape(tmp_path, image):
    path = tmp_path / 'face.png'
    path.write_bytes(encode(image, '.png'))
    results = load(path)
    np.testing.assert_array_equal(results['img'], image)
    assert results['img_shape'] == results['ori_shape'] == (64, 48)


def test_gray_files_have_three_channels(tmp_path, image):
    path = tmp_path / 'face.png'
    path.write_bytes(encode(image[..., 0], '.png'))
    np.testing.assert_array_equal(load(path)['img'], np.dstack([image[..., 0]] * 3))


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('kept', [0.3, 0.6, 0.99])
def test_truncated_file_is_an_error(tmp_path, image, suffix, kept):
    content = encode(image, suffix)
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UnreadableImageError, match=f"cannot read image '{path}'.*truncated"):
        load(path)


@pytest.mark.parametrize(
    'options', [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)]
)
def test_every_cut_of_a_jpeg_is_noticed_and_the_whole_is_not(image, options):
    content = encode(image, '.jpg', *options)
    assert not is_truncated(content)
    assert not is_truncated(content + bytes(10)), 'bytes after the end do no harm'
    assert all(is_truncated(content[:end]) for end in range(2, len(content)))


def test_the_end_of_an_embedded_thumbnail_is_not_the_end(image):
    content = encode(image, '.jpg')
    thumbnail = encode(image[::4, ::4], '.jpg')
    header = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    content = content[:2] + header + content[2:]
    assert not is_truncated(content)
    assert is_truncated(content[:-2])
    assert is_truncated(content[: len(header) + 10])


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'the file is empty'),
        (b'no image', 'it is damaged, or no image; JPEG, PNG'),
    ],
)
def test_other_files_than_images_are_errors(tmp_path, content, reason):
    path = tmp_path / 'face.jpg'
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=f"'{path}': {reason}"):
        load(path)


def test_folder_and_missing_file_are_errors(tmp_path):
    with pytest.raises(UnreadableImageError, match=f"'{tmp_path}': Is a directory"):
        load(tmp_path)
    with pytest.raises(UnreadableImageError, match='gone.jpg.*No such file'):
        load(tmp_path / 'gone.jpg')


def test_error_survives_the_way_out_of_a_worker():
    error = pickle.loads(pickle.dumps(UnreadableImageError('cannot read a.jpg')))
    assert isinstance(error, UnreadableImageError) and 'a.jpg' in str(error)


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.ppm', '.jp2'])
@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_16_bits_become_8_by_those_in_use(tmp_path, image, suffix, bits):
    """A camera's 12 bits in 16 would be nearly black if the upper 8 were kept."""
    stored = image.astype(np.uint16) << (bits - 8)
    stored[0, 0] = 2**bits - 1
    path = tmp_path / f'face{suffix}'
    path.write_bytes(encode(stored, suffix))
    loaded = load(path)['img']
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded[1:], image[1:])


@pytest.mark.parametrize('suffix', ['.hdr', '.pfm'])
def test_other_pixels_than_8_or_16_bits_are_errors(tmp_path, image, suffix):
    path = tmp_path / 'face.png'
    path.write_bytes(encode(image.astype(np.float32) / 255, suffix))
    with pytest.raises(UnreadableImageError, match='JPEG, PNG, WebP.* are read'):
        load(path)


def test_a_file_that_would_fill_the_memory(tmp_path, monkeypatch):
    """900 megapixels in 109 kB: nothing is decoded."""
    path = tmp_path / 'face.png'
    path.write_bytes(one_bit_png(30_000, 30_000))
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('it was decoded'))
    with pytest.raises(UnreadableImageError, match="face.png': its 30000x30000 .* 178,956,970;"):
        load(path)


def test_limits(tmp_path, image, monkeypatch):
    path = tmp_path / 'face.png'
    path.write_bytes(encode(image, '.png'))

    def load_up_to(pixels):
        return LoadFaceImage(max_pixels=pixels)(dict(img_path=str(path)))

    load_up_to(64 * 48)
    with pytest.raises(UnreadableImageError, match='48x64'):
        load_up_to(64 * 48 - 1)
    monkeypatch.setenv('MMFER_MAX_PIXELS', '3071')
    with pytest.raises(UnreadableImageError, match='48x64.*MMFER_MAX_PIXELS'):
        load(path)
    load_up_to(64 * 48)
    with pytest.raises(ValueError, match='max_pixels.*0'):
        load_up_to(0)
    monkeypatch.setenv('MMFER_MAX_PIXELS', 'many')
    with pytest.raises(ValueError, match="MMFER_MAX_PIXELS is 'many'"):
        load(path)
