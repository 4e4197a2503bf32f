# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import re
import sys

import cv2
import numpy as np
import pytest
from heif_files import avif, heic
from PIL import Image, features

from mmfer.inference.images import InputImage, count_images, read_images


def gray(value, size=(24, 32)):
    return np.full((*size, 3), value, np.uint8)


def write_video(path, values, rate=8, codec='MJPG'):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (32, 24))
    for value in values:
        writer.write(gray(value))
    writer.release()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'photos'
    (root / 'b/.hidden').mkdir(parents=True)
    for name in ('c.PNG', 'a.jpg', 'b/d.bmp', 'b/.hidden/e.png', '.f.png'):
        cv2.imwrite(str(root / name), gray(50))
    write_video(root / 'b/film.avi', (10, 200, 90))
    (root / 'notes.txt').write_text('nothing')
    return root


class FakeCamera:
    """An object with the methods of ``cv2.VideoCapture``."""

    def __init__(self, number, frames=3):
        self.left, self.released = frames, False

    def get(self, what):
        return 30.0 if what == cv2.CAP_PROP_FPS else 0.0

    def read(self):
        self.left -= 1
        return (True, gray(self.left)) if self.left >= 0 else (False, None)

    def release(self):
        self.released = True


def test_a_folder_in_order_with_names_inside_of_it(folder):
    images = list(read_images(folder))
    assert [item.name for item in images] == [
        *('a.jpg', 'b/d.bmp', 'b/film.avi', 'b/film.avi', 'b/film.avi', 'c.PNG')
    ]
    assert images[0].source == str(folder / 'a.jpg')
    assert all(item.image.shape == (24, 32, 3) for item in images)
    assert count_images(folder) == count_images([str(folder)]) == 6


def test_links_to_folders(folder, tmp_path):
    (tmp_path / 'album').symlink_to(folder / 'b')
    (folder / 'b/loop').symlink_to('..')
    names = [item.name for item in read_images([tmp_path / 'album', folder])]
    assert names[:6] == ['d.bmp', 'film.avi', 'film.avi', 'film.avi', 'loop/a.jpg', 'loop/c.PNG']
    assert names[6:] == ['a.jpg', 'b/d.bmp', *3 * ['b/film.avi'], 'c.PNG']


def test_frames_of_a_video(folder):
    images = list(read_images(str(folder / 'b/film.avi')))
    assert [(p.frame, p.time, p.frame_rate, p.live) for p in images] == [
        *((0, 0.0, 8.0, False), (1, 0.125, 8.0, False), (2, 0.25, 8.0, False))
    ]
    means = [item.image.mean() for item in images]
    assert means == pytest.approx([10, 200, 90], abs=4)


def test_every_second_frame_of_videos_and_cameras(folder):
    images = list(read_images([folder / 'b/film.avi', folder / 'a.jpg'], every=2))
    # Written as a video again, the length is the same.
    assert [(p.frame, p.time, p.frame_rate) for p in images] == [
        *((0, 0.0, 4.0), (2, 0.25, 4.0), (None, None, None))
    ]
    assert count_images([folder / 'b/film.avi', folder / 'a.jpg'], every=2) == 3
    frames = read_images(0, lambda number: FakeCamera(number), every=2)
    assert [item.frame for item in frames] == [0, 2]


def test_a_camera_is_live_and_released(folder):
    cameras = []

    def open_camera(number):
        assert number == 2
        cameras.append(FakeCamera(number))
        return cameras[-1]

    images = list(read_images(2, open_camera))
    assert [(p.source, p.frame, p.live) for p in images] == [
        ('camera 2', i, True) for i in range(3)
    ]
    assert images[0].time <= images[1].time <= images[2].time
    stream = read_images([2], open_camera)
    next(stream)
    assert not cameras[1].released
    stream.close()
    assert cameras[0].released and cameras[1].released


def test_unreadable_files_have_a_reason(folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'cut.jpg').write_bytes((folder / 'a.jpg').read_bytes()[:300])
    (tmp_path / 'film.mp4').write_bytes(b'no film')
    inputs = [tmp_path / name for name in ('none.png', 'cut.jpg', 'film.mp4', 'empty', 'none.mp4')]
    images = list(read_images(inputs))
    assert [item.error for item in images] == [
        'No such file or directory',
        'the file is truncated, it ends after 300 bytes',
        'no frame is readable',
        'the folder contains no image or video',
        'No such file or directory',
    ]
    assert all(item.image is None for item in images)
    (none,) = read_images(0, lambda number: FakeCamera(number, 0))
    assert none.error == 'no such camera, or another program uses it'


def test_a_truncated_video_ends_with_an_error(tmp_path):
    write_video(tmp_path / 'film.avi', range(0, 200, 2))
    content = (tmp_path / 'film.avi').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(content[: len(content) // 2])
    *frames, end = read_images(tmp_path / 'cut.avi')
    assert 30 < len(frames) < 70 and not any(item.error for item in frames)
    assert end.image is None and end.frame == len(frames) and end.time == len(frames) / 8
    told = r'it ends after (\d+) of 100 frames, \d\.\d of 12\.5 seconds: cut off or damaged'
    assert int(re.fullmatch(told, end.error)[1]) == len(frames)


class FakeVideo(FakeCamera):
    """A video of three frames with a given header."""

    def __init__(self, announced, rate, reached):
        super().__init__('film.avi')
        self.said = {
            cv2.CAP_PROP_FPS: rate,
            cv2.CAP_PROP_FRAME_COUNT: announced,
            cv2.CAP_PROP_POS_MSEC: reached,
        }

    def get(self, what):
        return self.said.get(what, 0.0)


@pytest.mark.parametrize(
    ('announced', 'rate', 'reached', 'complains'),
    [
        (30, 10.0, 300.0, True),
        (30, 10.0, 2900.0, False),  # with a variable frame rate
        (3000, 1000.0, 2900.0, False),
        (30, 10.0, 0.0, True),  # times unknown: by the number of frames
        (3, 10.0, 0.0, False),
        (-1e17, 10.0, 300.0, False),
        (30, 0.0, 300.0, False),
    ],
)
def test_only_videos_that_lack_seconds_are_an_error(tmp_path, announced, rate, reached, complains):
    (tmp_path / 'film.avi').touch()
    opened = []

    def open_video(path):
        opened.append(FakeVideo(announced, rate, reached))
        return opened[-1]

    images = list(read_images(tmp_path / 'film.avi', open_video))
    assert [bool(item.error) for item in images] == [False] * 3 + [True] * complains


@pytest.mark.parametrize(('announced', 'complains'), [(1, False), (3, True), (30, True)])
def test_a_video_truncated_after_its_first_frame(tmp_path, announced, complains):
    """Its time is 0 seconds, as if it were unknown."""
    (tmp_path / 'film.avi').touch()

    def open_video(path):
        video = FakeVideo(announced, 10.0, 0.0)
        video.left = 1
        return video

    first, *end = read_images(tmp_path / 'film.avi', open_video)
    assert not first.error and len(end) == complains
    if complains:
        assert end[0].error.startswith(f'it ends after 1 of {announced} frames, 0.1 of ')


@pytest.mark.parametrize(
    ('positions', 'times'),
    [
        ((0.0, 40.0, 900.0), [0.0, 0.04, 0.9]),
        ((120.0, 160.0, 1020.0), [0.0, 0.04, 0.9]),  # the frames before it could not be decoded
        ((0.0, 0.0, 0.0), [0.0, 0.1, 0.2]),  # times are unknown
    ],
)
def test_times_with_a_variable_frame_rate(tmp_path, positions, times):
    (tmp_path / 'film.avi').touch()

    class Film(FakeCamera):
        def get(self, what):
            said = {cv2.CAP_PROP_FPS: 10.0, cv2.CAP_PROP_POS_MSEC: positions[2 - self.left]}
            return said.get(what, 0.0)

    assert [p.time for p in read_images(tmp_path / 'film.avi', Film)] == times


@pytest.mark.parametrize('name', ['12:30.mp4', '2024-01-01T12:30:00.mp4', 'film %03d ä.MP4'])
def test_names_of_videos(tmp_path, monkeypatch, name):
    """FFmpeg reads URLs, such as ``file:film.avi``, and numbered images."""
    write_video(tmp_path / 'film.mp4', (10, 200), codec='mp4v')
    (tmp_path / 'film.mp4').rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert [(p.source, p.error) for p in read_images(name)] == 2 * [(name, '')]
    assert count_images(name) == 2


def test_the_first_of_several_images(tmp_path):
    first, *others = (Image.fromarray(gray(value)) for value in (10, 200, 90))
    for name in ('a.gif', 'b.png', 'c.webp', 'd.tif'):
        first.save(tmp_path / name, save_all=True, append_images=others)
        (item,) = read_images(tmp_path / name)
        assert item.image.mean() == pytest.approx(10, abs=1)


def test_an_image_that_would_fill_the_memory(tmp_path, monkeypatch):
    """By its header, without decoding it."""
    monkeypatch.setenv('MMFER_MAX_PIXELS', '600')
    for name, width in (('large.png', 31), ('good.png', 30)):
        cv2.imwrite(str(tmp_path / name), gray(5, (20, width)))
    good, large = read_images(tmp_path)
    assert good.image is not None and large.image is None
    assert large.error.startswith('its 31x20 pixels are') and 'MMFER_MAX_PIXELS' in large.error


def test_a_video_that_would_fill_the_memory(folder, monkeypatch):
    monkeypatch.setenv('MMFER_MAX_PIXELS', '700')
    (film,) = read_images(folder / 'b/film.avi')
    assert film.image is None and film.error.startswith('its 32x24 pixels are')


def test_formats_that_are_not_known_by_their_names(folder, tmp_path):
    """Files in a folder are detected by content, like files that are passed."""
    names = {'a.jpg': 'one.jfif', 'c.PNG': 'two', 'b/d.bmp': 'three.dat', 'b/film.avi': 'four.mts'}
    other = tmp_path / 'other'
    other.mkdir()
    for source, target in names.items():
        (folder / source).rename(other / target)
    Image.fromarray(gray(9)).save(other / 'five.gif')
    (other / 'six.psd').write_bytes(b'8BPS\0\1')
    (other / 'seven.docx').write_bytes(b'PK\3\4')
    (other / 'seven.txt').write_text('a face')
    images = list(read_images(other))
    assert [(p.name, p.error[:10]) for p in images] == [
        *(('five.gif', ''), ('four.mts', ''), ('four.mts', ''), ('four.mts', '')),
        *(('one.jfif', ''), ('six.psd', 'it is Phot'), ('three.dat', ''), ('two', '')),
    ]
    assert count_images(other) == 8
    alone = [p for name in sorted(other.iterdir()) for p in read_images(name)]
    assert [p.name for p in alone if not p.error] == [p.name for p in images if not p.error]


@pytest.fixture
def phone(tmp_path):
    """A folder of a JPEG, three HEIC and an AVIF; only the JPEG contains an image."""
    root = tmp_path / 'phone'
    (root / 'more').mkdir(parents=True)
    cv2.imwrite(str(root / 'a.jpg'), gray(5))
    for name in ('b.heic', 'c.HEIC', 'more/d.jpg'):
        (root / name).write_bytes(heic(70, 30))
    (root / 'e.avif').write_bytes(avif(70, 30))
    return root


def test_without_their_packages_some_images_are_skipped_and_named(phone, monkeypatch):
    messages = []
    monkeypatch.setattr(
        'mmfer.utils.files_below.print_log', lambda message, *_: messages.append(message)
    )
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    monkeypatch.setattr(cv2, 'haveImageWriter', lambda name: False)
    monkeypatch.setattr(features, 'modules', {})
    assert [p.name for p in read_images(phone)] == ['a.jpg'] and count_images(phone) == 1
    assert messages == [
        f"'{phone}': 4 images are skipped: b.heic, c.HEIC, e.avif, more/d.jpg; to read them: pip "
        "install 'pillow>=11.3' pillow-heif"
    ]
    (named,) = read_images(phone / 'b.heic')
    assert named.error == 'it is HEIC; to read it: pip install pillow-heif'
    (nothing,) = read_images(phone / 'more')
    assert nothing.error.endswith('but 1 image that needs a package: pip install pillow-heif')


def test_images_of_phones_that_are_too_large_or_damaged(phone, monkeypatch):
    """By their headers, without decoding them."""
    for module in ('files_below', 'image_header'):
        monkeypatch.setattr(f'mmfer.utils.{module}.needed_package', lambda name: None)
    monkeypatch.setattr(
        'mmfer.datasets.transforms.load_face_image.open_by_plug_in',
        lambda *_: pytest.fail('it was opened'),
    )
    monkeypatch.setenv('MMFER_MAX_PIXELS', '2000')
    (phone / 'b.heic').write_bytes(heic(70, 30)[:-9])
    images = list(read_images(phone))
    assert [item.error[:23] for item in images] == [
        *('', 'the file is truncated, '),
        *3 * ['its 70x30 pixels are 2,'],
    ]


def photo():
    """Four corners of different colors, (40, 64, 3) in RGB."""
    image = np.zeros((40, 64, 3), np.uint8)
    image[:20, :32], image[:20, 32:], image[20:, :32] = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    return image


@pytest.mark.parametrize('orientation', [1, 6])
def test_heic_is_read(tmp_path, orientation):
    pillow_heif = pytest.importorskip('pillow_heif', reason='pillow-heif is not installed')
    exif = Image.Exif()
    exif[0x0112] = orientation  # also stored in a separate box of the file
    image = pillow_heif.from_pillow(Image.fromarray(photo()))
    image.save(tmp_path / 'a.heic', quality=95, exif=exif.tobytes())
    (item,) = read_images(tmp_path)
    expected = photo()[..., ::-1]
    if orientation == 6:
        expected = np.rot90(expected, -1)
    assert item.image.shape == expected.shape
    assert np.abs(item.image.astype(int) - expected).mean() < 4
    (tmp_path / 'a.heic').write_bytes((tmp_path / 'a.heic').read_bytes()[:-40])
    (cut,) = read_images(tmp_path)
    assert cut.error.startswith('the file is truncated')


@pytest.mark.skipif(not features.check('avif'), reason='this Pillow has no AVIF')
@pytest.mark.parametrize('by_opencv', [True, False])
def test_avif_is_read(tmp_path, monkeypatch, by_opencv):
    if by_opencv and not cv2.haveImageWriter('a.avif'):
        pytest.skip('this OpenCV has no AVIF')
    monkeypatch.setattr(cv2, 'haveImageWriter', lambda name: by_opencv)
    Image.fromarray(photo()).save(tmp_path / 'a.avif', quality=95)
    (item,) = read_images(tmp_path)
    assert np.abs(item.image.astype(int) - photo()[..., ::-1]).mean() < 4


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jpg')
    (item,) = read_images(tmp_path / 'pipe.jpg')
    assert item.error == 'it is not a file, but a pipe or a device'
    (nothing,) = read_images(tmp_path)
    assert nothing.error.endswith('but 1 other file')


def test_a_playlist_is_not_followed(tmp_path, monkeypatch):
    """A playlist with the name of a video: FFmpeg would open the files in it."""
    (tmp_path / 'film.mp4').write_text('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n')
    monkeypatch.setattr(cv2, 'VideoCapture', lambda path: pytest.fail('it was opened'))
    assert count_images(tmp_path) == 1
    (film,) = read_images(tmp_path, cv2.VideoCapture)
    assert film.error == 'no frame is readable'


def test_arrays_and_images(folder):
    array, given = gray(3), InputImage('mine', 'mine.png', gray(4))
    images = list(read_images(item for item in (array, given, gray(5))))
    assert [(p.source, p.name) for p in images] == [
        *(('array 0', 'array_0.png'), ('mine', 'mine.png'), ('array 1', 'array_1.png'))
    ]
    assert images[0].image is array and images[1] is given
    assert [p.source for p in read_images(array)] == ['array 0']


def test_unknown_numbers_of_images():
    assert count_images(0) is count_images(['a.jpg', 0]) is count_images(iter(())) is None
    assert count_images([gray(1), 'none.jpg', 'none.mp4']) == 3


@pytest.mark.parametrize(
    ('item', 'error', 'message'),
    [
        (gray(1).astype(float), ValueError, r'uint8 array \(H, W, 3\).*float64 \(24, 32, 3\)'),
        (gray(1)[..., 0], ValueError, r'not uint8 \(24, 32\)'),
        ('https://example.org/a.jpg', ValueError, 'https://example.org/a.jpg'),
        ([None], TypeError, 'NoneType'),
        ([True], TypeError, 'bool'),
    ],
)
def test_invalid_inputs(item, error, message):
    with pytest.raises(error, match=message):
        list(read_images(item))
