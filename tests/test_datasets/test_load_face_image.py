# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pickle

import cv2
import numpy as np
import pytest

from mmfer.datasets.transforms import LoadFaceImage, UnreadableImageError, is_truncated


@pytest.fixture
def picture():
    # Smooth, as a photograph is: noise would make a file that is cut in its header's tables.
    rows, columns = np.mgrid[:64, :48]
    return np.stack([rows * 3, columns * 4, rows + columns], axis=-1).astype(np.uint8)


def encode(picture, suffix, *options):
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def load(path):
    return LoadFaceImage()(dict(img_path=str(path)))


def test_loads_bgr_with_its_shape(tmp_path, picture):
    path = tmp_path / 'face.png'
    path.write_bytes(encode(picture, '.png'))
    results = load(path)
    np.testing.assert_array_equal(results['img'], picture)
    assert results['img_shape'] == results['ori_shape'] == (64, 48)


def test_grey_files_have_three_channels(tmp_path, picture):
    path = tmp_path / 'face.png'
    path.write_bytes(encode(picture[..., 0], '.png'))
    np.testing.assert_array_equal(load(path)['img'], np.dstack([picture[..., 0]] * 3))


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('kept', [0.3, 0.6, 0.99])
def test_truncated_file_is_refused(tmp_path, picture, suffix, kept):
    content = encode(picture, suffix)
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UnreadableImageError, match=f"cannot read image '{path}'.*truncated"):
        load(path)


@pytest.mark.parametrize(
    'options', [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)]
)
def test_every_cut_of_a_jpeg_is_noticed_and_the_whole_is_not(picture, options):
    content = encode(picture, '.jpg', *options)
    assert not is_truncated(content)
    assert not is_truncated(content + bytes(10)), 'bytes after the end do no harm'
    assert all(is_truncated(content[:end]) for end in range(2, len(content)))


def test_the_end_of_an_embedded_thumbnail_is_not_the_end(picture):
    content = encode(picture, '.jpg')
    thumbnail = encode(picture[::4, ::4], '.jpg')
    header = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    content = content[:2] + header + content[2:]
    assert not is_truncated(content)
    assert is_truncated(content[:-2])
    assert is_truncated(content[: len(header) + 10])


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'the file is empty'),
        (b'no picture', 'it is damaged, or of a format that the cv2 decoder'),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, content, reason):
    path = tmp_path / 'face.jpg'
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=f"'{path}': {reason}"):
        load(path)


def test_folder_and_missing_file_are_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match=f"'{tmp_path}': Is a directory"):
        load(tmp_path)
    with pytest.raises(UnreadableImageError, match='gone.jpg.*No such file'):
        load(tmp_path / 'gone.jpg')


def test_error_survives_the_way_out_of_a_worker():
    error = pickle.loads(pickle.dumps(UnreadableImageError('cannot read a.jpg')))
    assert isinstance(error, UnreadableImageError) and 'a.jpg' in str(error)
