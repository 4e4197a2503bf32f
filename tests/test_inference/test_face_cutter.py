# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from shipped_configs import CONFIGS, read_config

from mmfer.datasets import UTKFace
from mmfer.datasets.splits import split_by_name
from mmfer.datasets.transforms.face_geometry import invert, move_points
from mmfer.faces import Face, FaceAligner, FaceDetector, face_template, similarity_map
from mmfer.inference.face_cutter import FaceCutter, NotAFaceError
from mmfer.registry import TRANSFORMS
from mmfer.utils.atomic_file import atomic_write_csv
from mmfer.utils.image_size import image_size

BOX = np.array([40.0, 30.0, 90.0, 90.0])  # of a detector: 50 wide, 60 high, 50 without forehead


def random_image(height=120, width=160):
    image = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


def face(box=BOX, points=None):
    return Face(box, 0.9, face_template(48) + (42, 34) if points is None else points)


def config(*steps, kind='RAFDB', **dataset) -> Config:
    steps = [dict(type='LoadFaceImage'), *steps, dict(type='PackInputs')]
    dataset = dict(type=kind, pipeline=steps, **dataset)
    model = dict(backbone=dict(type='APViT', img_size=32))
    return Config(dict(model=model, test_dataloader=dict(dataset=dataset)))


class OneFace(FaceDetector):
    settings = {}
    _decimals = 9

    def _find(self, image):
        return [face()]


def test_in_the_scope_of_its_config():
    """A model of another package may have been loaded in the meantime."""
    cfg = config(dict(type='ResizeFace', size=32))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert FaceCutter(cfg)(random_image()).image.shape == (32, 32, 3)


class TestAlignedDataSets:
    STEP = dict(type='Resize', scale=(32, 32))

    def test_five_points_match_the_template(self):
        cut = FaceCutter(config(self.STEP))(random_image(), face())
        assert cut.image.shape == (32, 32, 3)
        assert move_points(face().points, cut.matrix) == pytest.approx(face_template(32), abs=1e-6)

    def test_as_files_that_were_aligned_and_then_resized(self):
        """As in training: aligned images of 224x224, and Resize of the pipeline."""
        aligned = FaceAligner(OneFace(), size=224)(random_image()).image
        expected = TRANSFORMS.build(self.STEP)(dict(img=aligned))['img']
        cut = FaceCutter(config(self.STEP))(random_image(), face())
        np.testing.assert_array_equal(cut.image, expected)

    def test_aligned_images_only_pass_the_pipeline(self):
        cut = FaceCutter(config(self.STEP))(random_image())
        expected = TRANSFORMS.build(self.STEP)(dict(img=random_image()))['img']
        np.testing.assert_array_equal(cut.image, expected)
        ends = move_points(np.array([(-0.5, -0.5), (159.5, 119.5)]), cut.matrix)
        assert ends == pytest.approx(np.array([(-0.5, -0.5), (31.5, 31.5)]))

    def test_invalid_points(self):
        with pytest.raises(NotAFaceError, match='points'):
            FaceCutter(config(self.STEP))(random_image(), face(points=np.zeros((5, 2))))

    def test_a_pipeline_without_a_size_gets_the_models(self):
        assert FaceCutter(config())(random_image()).image.shape == (32, 32, 3)
        assert FaceCutter(config())(random_image(), face()).image.shape == (32, 32, 3)


class TestCroppedDataSets:
    @pytest.mark.parametrize('source', ['auto', 'box', 'image'])
    def test_faces_are_cut_at_the_box_without_forehead(self, source):
        step = dict(type='CropFace', kind='tight', size=32, source=source)
        cut = FaceCutter(config(step))(random_image(), face())
        brows = np.array([40, 40, 90, 90], np.float32)
        expected = TRANSFORMS.build({**step, 'source': 'box'})(
            dict(img=random_image(), face_box=brows)
        )
        np.testing.assert_array_equal(cut.image, expected['img'])
        np.testing.assert_array_equal(cut.matrix, expected['warp_matrix'])

    def test_a_scale_of_the_config_is_for_the_whole_box(self):
        step = dict(type='CropFace', kind='tight', size=30, scale=1.0, shift=(0.0, 0.0))
        cut = FaceCutter(config(step))(random_image(), face())
        # The square around the box, 60 wide: x 35 to 95, y 30 to 90.
        corners = move_points(np.array([(35.0, 30.0), (95.0, 90.0)]), cut.matrix)
        assert corners == pytest.approx(np.array([(-0.5, -0.5), (29.5, 29.5)]))

    @pytest.mark.parametrize('scale', [None, 1.5])
    def test_as_a_dataset_with_the_boxes_of_a_detector(self, scale, tmp_path):
        name = '25_0_2_20170116000000000.jpg'
        cv2.imwrite(str(tmp_path / name), random_image())
        header = ['path', 'decision', 'x1', 'y1', 'x2', 'y2']
        atomic_write_csv(tmp_path / 'boxes.csv', [header, [name, 'found', *BOX.tolist()]])
        step = dict(type='CropFace', kind='loose', size=32, scale=scale)
        boxes = str(tmp_path / 'boxes.csv')
        cfg = config(step, kind='UTKFace', data_root=str(tmp_path), boxes=boxes)
        split = split_by_name(name.split('.')[0])
        pipeline = cfg.test_dataloader.dataset.pipeline[:-1]
        sample = UTKFace(str(tmp_path), split, boxes=boxes, pipeline=pipeline)[0]
        cut = FaceCutter(cfg)(cv2.imread(str(tmp_path / name)), face())
        np.testing.assert_array_equal(cut.image, sample['img'])

    def test_images_of_faces_as_in_testing(self):
        step = dict(type='CropFace', kind='tight', size=32)
        expected = TRANSFORMS.build(step)(dict(img=random_image()))['img']
        np.testing.assert_array_equal(FaceCutter(config(step))(random_image()).image, expected)
        # Without a labeled box, steps that crop at it resize instead.
        cut = FaceCutter(config({**step, 'source': 'box'}))(random_image())
        assert move_points(np.array([(159.5, 119.5)]), cut.matrix) == pytest.approx(31.5)

    def test_the_map_includes_later_steps(self):
        steps = dict(type='CropFace', kind='loose', size=64), dict(type='Resize', scale=(32, 32))
        once = FaceCutter(config(steps[0]))(random_image(), face())
        twice = FaceCutter(config(*steps))(random_image(), face())
        points = np.array([(40.0, 50.0), (80.0, 70.0)])
        halved = (move_points(points, once.matrix) + 0.5) / 2 - 0.5
        assert move_points(points, twice.matrix) == pytest.approx(halved)


@pytest.mark.parametrize('crop', ['tight', 'loose'])
def test_drawn_faces_are_cut_as_they_are_drawn(crop):
    """On average, the box of the landmarks is where it is in SynthFace."""
    from mmfer.datasets import SynthFace

    drawn = SynthFace(split='test', image_size=64, crop=crop, num_samples=40)
    cfg = Config(
        dict(
            model=dict(),
            test_dataloader=dict(
                dataset=dict(
                    type='SynthFace', image_size=64, crop=crop, pipeline=[dict(type='PackInputs')]
                )
            ),
        )
    )
    mean = np.mean([drawn[i]['face_box'] for i in range(40)], axis=0)
    brows = np.array([40, 40, 90, 90])
    moved = move_points(
        brows.reshape(2, 2).astype(float), FaceCutter(cfg)(random_image(), face()).matrix
    )
    middle, side = mean.reshape(2, 2).mean(axis=0), max(mean[2:] - mean[:2])
    assert moved.mean(axis=0) == pytest.approx(middle, abs=1.5)
    assert np.ptp(moved[:, 0]) == pytest.approx(side, rel=0.06)


def test_steps_that_cannot_be_followed():
    cutter = FaceCutter(config(dict(type='EfficientNetCenterCrop', crop_size=24)))
    with pytest.raises(ValueError, match='CenterCrop.*32x32.*24x24'):
        cutter(random_image(), face())


@pytest.mark.parametrize('crop', [dict(crop_size=(33, 24)), dict(crop_size=70, auto_pad=True)])
def test_a_resized_edge_and_the_center_of_the_image(crop):
    """The test pipeline of ImageNet: its map finds every pixel of a ramp again."""
    steps = dict(type='ResizeEdge', scale=60), dict(type='CenterCrop', **crop)
    rows, columns = np.mgrid[:120, :180]
    ramp = np.stack([rows, columns, columns], axis=2).astype(np.uint8)
    cut = FaceCutter(config(*steps))(ramp)
    points = np.array([(10.0, 12.0), (25.0, 20.0)])
    for (x, y), (column, row) in zip(points, move_points(points, invert(cut.matrix)), strict=True):
        assert cut.image[int(y), int(x), :2] == pytest.approx([row, column], abs=1)


@pytest.mark.parametrize('path', CONFIGS[::4], ids=lambda path: path.stem)
def test_shipped_configs(path):
    """Every face has the input size of the model, with and without a detector."""
    cfg = read_config(path)
    cutter, size = FaceCutter(cfg), image_size(cfg)[0]
    for given in (None, face()):
        cut = cutter(random_image(), given)
        assert cut.image.shape == (*size, 3) and cut.image.dtype == np.uint8
    assert similarity_map(face().points, face().points).shape == cut.matrix.shape
