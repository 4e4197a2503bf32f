# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""SynthFace: faces that are drawn instead of read."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from mmfer.categories import ACTION_UNITS, EXPRESSIONS
from mmfer.registry import DATASETS
from mmfer.synth import (
    CROPS,
    SPLITS,
    Difficulty,
    DrawnFace,
    Labels,
    active_units,
    compose_face,
    draw_face,
    sample_labels,
    valence_and_arousal,
)
from mmfer.synth.labels import Stream, stream
from mmfer.tasks import TASKS
from mmfer.utils.checks import check_count
from mmfer.utils.short_list import short_list

from .class_numbers import class_numbers, read_class_names
from .transforms.face_geometry import bounding_box
from .unmixed_copies import UnmixedCopies

_MIN_IMAGE_SIZE = 32


def _make_difficulty(arguments: dict) -> Difficulty:
    allowed = tuple(field.name for field in fields(Difficulty))
    unknown = sorted(set(arguments) - set(allowed))
    if unknown:
        raise ValueError(f'SynthFace: difficulty has no {unknown}; its keys are {allowed}')
    return Difficulty(**arguments)


@DATASETS.register_module()
class SynthFace(UnmixedCopies, BaseDataset):
    """Any number of drawn faces with labels for four facial tasks; needs no files.

    Image ``i`` of a split is a pure function of ``(seed, split, i)`` and of the difficulty, so
    every process and every run gets the same data. The splits share no image but, by design,
    share people: person ``n`` looks the same in all of them. Use another ``seed`` for other people.

    For every ``task``, a sample has:

    ================  ============================================================================
    ``img``           uint8, (S, S, 3), BGR, as from ``LoadFaceImage``, which the pipeline omits
    ``img_path``      a name for logs, such as ``synthface://train/17``
    ``gt_label``      int, the index of the expression; of the person if ``task='recognition'``
    ``gt_age``        float, years, 1 to 116
    ``gt_landmarks``  float32, (98, 2), pixels in WFLW's order; drawn with the image
    ``face_box``      float32, (4,), x1, y1, x2, y2: bounding box of the landmarks, pixels
    ``expression``    int, index in ``EXPRESSIONS``
    ``identity``      int, 0 to ``num_identities - 1``
    ``gt_au``         int8, (12,), with ``action_units`` only: 1 if the unit of ``ACTION_UNITS``
                      (or of ``metainfo['action_units']``, if given) is drawn, 0 if not, -1 if not
                      labeled; always -1 for AU23, which is not drawn
    ``img_shape``     (S, S), and the same ``ori_shape``
    ================  ============================================================================

    With ``valence_arousal`` only, it also has ``gt_valence_arousal``, float32 (2,), -1 to 1: a sum
    over the drawn muscle actions (:func:`~mmfer.synth.valence_and_arousal`), which is (0.8, 0.4)
    for a full smile and closer to (0, 0) for a weak one; NaN if not labeled.

    Note:
        mmpretrain's geometric transforms do not move the landmarks. A pipeline that uses landmarks
        needs the transforms of mmfer (``CropFace``, ``ResizeFace``, ``RandomFlipFace``, ...).

    Args:
        split (str): 'train', 'val' or 'test'. Defaults to 'train'.
        num_samples (int): Number of images. Defaults to 3500.
        image_size (int): Width and height in pixels, at least 32. Defaults to 112.
        crop (str): Visible region: 'loose' shows the face with hair and neck, 'tight' little more
            than the face, 'wide' head and shoulders, from which ``CropFace`` can cut both others.
            Defaults to 'loose'.
        seed (int): Seed of the people and the images, >= 0. Defaults to 0.
        task (str): 'expression', 'age', 'landmarks' or 'recognition'. Defines ``gt_label`` and the
            classes in the meta information. Age and landmarks have no classes, and keep the
            expression as ``gt_label``. Defaults to 'expression'.
        num_identities (int): Number of people. Defaults to 200.
        difficulty (dict | None): Arguments of :class:`~mmfer.synth.Difficulty`, such as
            ``dict(occlusion=0.8)``. Defaults to None, the defaults of that class.
        label_noise (float): Share of the images, in [0, 1), whose expression label is replaced by a
            wrong one (the image is unchanged). Defaults to 0.
        action_units (bool): Whether samples also have ``gt_au``, and labels may be missing as in
            :class:`AffWild2`; only for ``task='expression'``. Defaults to False.
        valence_arousal (bool): Whether samples have ``gt_valence_arousal``; only for
            ``task='expression'``. Defaults to False.
        single_task (float): Share of the images, in [0, 1], that are labeled for one task only,
            about equally many per enabled task: with an expression (otherwise ``gt_label`` is -1),
            with action units (``gt_au`` all -1), with valence and arousal (``gt_valence_arousal``
            NaN). Defaults to 0.
        cache (bool): Whether to draw all images once, when the dataset is initialized, and keep
            them in memory: 37.6 kB for an image of 112x112, shared with forked data loader workers.
            Otherwise images are drawn on every access. Defaults to False.
        pipeline (Sequence): Transforms; their input already has ``img``. Defaults to ().
        **kwargs: ``indices``, ``test_mode``, ``lazy_init``, ``serialize_data``, ``metainfo``,
            ``max_refetch`` and ``classes`` of :class:`mmpretrain.datasets.BaseDataset`. Labels are
            numbered in the order of ``classes``. Images of other classes are skipped and counted in
            the log.

    Raises:
        ValueError: An argument is out of range, ``difficulty`` has an unknown key, or ``classes``
            has an unknown name.
    """

    METAINFO = {'dataset_name': 'SynthFace'}

    def __init__(
        self,
        split: str = 'train',
        num_samples: int = 3500,
        image_size: int = 112,
        crop: str = 'loose',
        seed: int = 0,
        task: str = 'expression',
        num_identities: int = 200,
        difficulty: dict | None = None,
        label_noise: float = 0.0,
        action_units: bool = False,
        valence_arousal: bool = False,
        single_task: float = 0.0,
        cache: bool = False,
        pipeline: Sequence = (),
        **kwargs,
    ):
        if split not in SPLITS:
            raise ValueError(f'SynthFace: split must be one of {SPLITS}, got {split!r}')
        if crop not in CROPS:
            raise ValueError(f'SynthFace: crop must be one of {tuple(CROPS)}, got {crop!r}')
        if task not in TASKS:
            raise ValueError(f'SynthFace: task must be one of {TASKS}, got {task!r}')
        if not 0 <= label_noise < 1:
            raise ValueError(f'SynthFace: label_noise must be in [0, 1), got {label_noise!r}')
        for name, wanted in dict(
            action_units=action_units, valence_arousal=valence_arousal
        ).items():
            if wanted and task != 'expression':
                raise ValueError(f"SynthFace: {name} requires task='expression', got {task!r}")
        if not 0 <= single_task <= (1 if action_units or valence_arousal else 0):
            raise ValueError(
                'SynthFace: single_task must be in [0, 1], and 0 without action_units=True or '
                f'valence_arousal=True, got {single_task!r}'
            )
        kwargs['classes'] = read_class_names(kwargs.get('classes'))
        self.split = split
        self.crop = crop
        self.num_samples = check_count('SynthFace: num_samples', num_samples, 1)
        self.image_size = check_count('SynthFace: image_size', image_size, _MIN_IMAGE_SIZE)
        self.seed = check_count('SynthFace: seed', seed, 0)
        self.num_identities = check_count('SynthFace: num_identities', num_identities, 1)
        self.task = task
        self.label_noise = label_noise
        self.action_units = action_units
        self.valence_arousal = valence_arousal
        self.single_task = single_task
        self.difficulty = _make_difficulty(difficulty or {})
        self.cache = cache
        self._drawn = {}  # image index -> drawn image, with ``cache``; shared with subsets

        # The classes of ``gt_label``, in the order of the drawn labels.
        self._drawn_classes = EXPRESSIONS
        if task == 'recognition':
            self._drawn_classes = tuple(f'person {number}' for number in range(num_identities))
        if task in ('expression', 'recognition') and kwargs.get('classes') is None:
            metainfo = kwargs.get('metainfo') or {}
            kwargs['metainfo'] = {'classes': self._drawn_classes, **metainfo}
        if action_units:
            kwargs['metainfo'] = {'action_units': ACTION_UNITS, **(kwargs.get('metainfo') or {})}
        super().__init__(ann_file='', pipeline=pipeline, **kwargs)

    def _copy_without_annotation(self, memo: dict | None = None) -> 'SynthFace':
        # A subset or a fold would otherwise get a copy of every image drawn so far.
        return super()._copy_without_annotation({**(memo or {}), id(self._drawn): self._drawn})

    def load_data_list(self) -> list[dict]:
        """Sample the labels of all images, without drawing them."""
        drawn = self._drawn_classes
        numbers = class_numbers('SynthFace', self._metainfo.get('classes', drawn), drawn)
        places = [numbers.get(name) for name in drawn]
        samples = [self._annotate(index, places) for index in range(self.num_samples)]
        kept = [sample for sample in samples if sample['gt_label'] is not None]
        if len(kept) < len(samples):
            skipped = len(samples) - len(kept)
            print_log(
                f'SynthFace, {self.split}: {skipped} samples are skipped, their class is not '
                f'one of ({short_list(numbers, most=20)})',
                logger='current',
            )
        return kept

    def _annotate(self, index: int, numbers: Sequence[int | None]) -> dict:
        labels = sample_labels(self.seed, self.split, index, self.num_identities)
        expression = self._observed(labels.expression, index)
        size = (self.image_size, self.image_size)
        info = {
            'img_path': f'synthface://{self.split}/{index}',
            'index': index,
            # The drawn expression; differs from ``expression`` only with label noise.
            'drawn_expression': labels.expression,
            'gt_label': numbers[labels.identity if self.task == 'recognition' else expression],
            'gt_age': float(labels.age),
            'expression': expression,
            'identity': labels.identity,
            'img_shape': size,
            'ori_shape': size,
        }
        skipped = info['gt_label'] is None
        if (self.action_units or self.valence_arousal) and not skipped:
            self._add_muscle_labels(info, labels)
        return info

    def _add_muscle_labels(self, info: dict, labels: Labels) -> None:
        """Add labels of the drawn muscles; keep one label if only one task is labeled."""
        index = info['index']
        _, face = compose_face(labels, self.seed, self.split, index, self.difficulty)
        unlabeled = {}
        if self.action_units:
            info['gt_au'] = active_units(face.left, face.right, self._metainfo['action_units'])
            unlabeled['gt_au'] = np.full_like(info['gt_au'], -1)
        if self.valence_arousal:
            info['gt_valence_arousal'] = valence_and_arousal(face.left, face.right)
            unlabeled['gt_valence_arousal'] = np.full(2, np.nan, np.float32)
        unlabeled['gt_label'] = -1
        chance = stream(Stream.MISSING_LABEL, self.seed, self.split, index).random()
        if chance < self.single_task:
            kept = list(unlabeled)[int(chance / self.single_task * len(unlabeled))]
            info.update({key: value for key, value in unlabeled.items() if key != kept})

    def _observed(self, expression: int, index: int) -> int:
        """Return the label of an annotator, which is wrong for ``label_noise`` of the images."""
        if self.label_noise == 0:
            return expression
        rng = stream(Stream.LABEL_NOISE, self.seed, self.split, index)
        if rng.random() >= self.label_noise:
            return expression
        other = int(rng.integers(len(EXPRESSIONS) - 1))
        return other + (other >= expression)

    def full_init(self) -> None:
        """Sample all labels and, with ``cache``, draw all images."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.cache:
            self._draw_all()

    def _draw_all(self) -> None:
        size = len(self) * self.image_size**2 * 3 / 2**20
        print_log(
            f'SynthFace: drawing {len(self)} images of split {self.split!r} ({size:.0f} MiB)',
            logger='current',
        )
        for row in range(len(self)):
            info = self.get_data_info(row)
            self._drawn[info['index']] = self._draw(info)
            if (row + 1) % 2000 == 0:
                print_log(f'SynthFace: {row + 1} of {len(self)} drawn', logger='current')

    def _draw(self, info: dict) -> DrawnFace:
        labels = Labels(info['drawn_expression'], int(info['gt_age']), info['identity'])
        name = (self.seed, self.split, info['index'])
        return draw_face(labels, *name, self.image_size, self.difficulty, self.crop)

    def prepare_data(self, idx: int):
        """Add the image and its landmarks to the labels and run the pipeline."""
        info = self.get_data_info(idx)
        drawn = self._drawn.get(info['index'])
        # Copies, because a transform may modify its input in place.
        image, points = map(np.copy, drawn) if drawn else self._draw(info)
        info.update(img=image, gt_landmarks=points, face_box=bounding_box(points))
        return self.pipeline(info)

    def extra_repr(self) -> list[str]:
        """Return lines for ``repr``, instead of the file names of other datasets."""
        return [
            f'Split: \t{self.split}',
            f'Task: \t{self.task}',
            f'Seed: \t{self.seed}',
            f'Image size: \t{self.image_size}',
            f'Crop: \t{self.crop}',
            f'Number of people: \t{self.num_identities}',
            f'Difficulty: \t{self.difficulty}',
        ]
