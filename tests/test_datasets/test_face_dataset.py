# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os

import pytest
import torch
from rafdb_tree import write_rafdb
from torch.utils.data import DataLoader

from mmfer.datasets import RAFDB, FaceDataset
from mmfer.datasets.transforms import UnreadableImageError

PIPELINE = [dict(type='LoadFaceImage'), dict(type='PackInputs')]


def spoil(root, *numbers):
    for number in numbers:
        path = root / f'basic/Image/aligned/train_{number:05d}_aligned.jpg'
        path.write_bytes(path.read_bytes()[:-50])


@pytest.fixture
def root(tmp_path):
    return write_rafdb(tmp_path, train=[4] * 12)


def test_bad_image_is_named_and_replaced_in_training(root, logged):
    spoil(root, 3)
    dataset = RAFDB(root, pipeline=PIPELINE)
    assert dataset[2]['data_samples'].sample_idx != 2
    (message, level), *others = logged
    assert 'train_00003_aligned.jpg' in message and 'truncated' in message
    assert level == logging.WARNING and not others


def test_bad_image_is_counted_and_named_once(root, logged):
    spoil(root, 3)
    dataset = RAFDB(root, pipeline=PIPELINE, max_bad_images=1)
    for _ in range(5):
        dataset[2]
    assert len(logged) == 1


def test_too_many_bad_images_are_an_error_that_lists_them(root, logged):
    spoil(root, 1, 2, 3)
    dataset = RAFDB(root, pipeline=PIPELINE, max_bad_images=2)
    with pytest.raises(RuntimeError) as error:
        for index in range(3):
            dataset[index]
    assert '3 images of RAFDB cannot be used, max_bad_images=2' in str(error.value)
    assert all(f'train_0000{number}_aligned.jpg' in str(error.value) for number in (1, 2, 3))


def test_all_images_bad_is_an_error_whatever_is_tolerated(root, logged):
    spoil(root, *range(1, 13))
    dataset = RAFDB(root, pipeline=PIPELINE, max_bad_images=100)
    with pytest.raises(RuntimeError, match='all 12 images of RAFDB .*truncated') as error:
        dataset[0]
    assert 'train_00012_aligned.jpg' in str(error.value)


def test_thousands_of_bad_images_are_listed_in_short(root, logged):
    dataset = RAFDB(root, pipeline=PIPELINE, max_bad_images=0, indices=[0] * 3000)
    dataset._bad_images[1:] = True
    with pytest.raises(RuntimeError, match='and 2,980 more$') as error:
        dataset._note_bad_image(0, 'why')
    assert len(str(error.value)) < 5000


@pytest.mark.parametrize('test_mode', [False, True])
def test_a_pipeline_that_returns_nothing_is_named(root, test_mode):
    pipeline = [*PIPELINE, lambda results: None]
    dataset = RAFDB(root, pipeline=pipeline, max_refetch=5, test_mode=test_mode)
    with pytest.raises(RuntimeError, match=r"None.*train_00003_aligned.jpg'.*of 12 samples"):
        dataset[2]


def test_bad_image_is_an_error_in_evaluation(root):
    spoil(root, 3)
    dataset = RAFDB(root, pipeline=PIPELINE, test_mode=True)
    with pytest.raises(UnreadableImageError, match='train_00003_aligned.jpg'):
        dataset[2]


def read_all(dataset):
    iterator = iter(DataLoader(dataset, batch_size=2, num_workers=2, collate_fn=list))
    try:
        return [sample for batch in iterator for sample in batch]
    finally:
        # Otherwise the garbage collector would do it after an error, and wait ten seconds for the
        # workers.
        iterator._shutdown_workers()


def test_workers_share_the_count(root):
    # Batches alternate between the workers, so each of them reads one of the two.
    spoil(root, 1, 3)
    assert len(read_all(RAFDB(root, pipeline=PIPELINE, max_bad_images=2))) == 12
    with pytest.raises(RuntimeError, match='2 images of RAFDB'):
        read_all(RAFDB(root, pipeline=PIPELINE, max_bad_images=1))


def test_flags_that_others_set_while_they_are_listed(root):
    dataset = RAFDB(root)
    dataset.max_bad_images = 100_000
    flags = torch.zeros(dataset.max_bad_images, dtype=torch.bool).share_memory_()
    dataset._bad_images = flags
    flags[0] = True  # so that nothing is logged
    context = torch.multiprocessing.get_context('fork')

    def write():
        numbers, parent = flags.numpy(), os.getppid()
        while os.getppid() == parent:  # which may abort
            numbers[1:] = True
            numbers[1:] = False

    writers = [context.Process(target=write, daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(40):
            dataset._note_bad_image(0, 'truncated')
    finally:
        for writer in writers:
            writer.kill()
            writer.join()


def test_count_lasts_over_epochs(root):
    spoil(root, 1)
    dataset = RAFDB(root, pipeline=PIPELINE, max_bad_images=1)
    for _ in range(2):  # new workers each time
        read_all(dataset)
    assert dataset._bad_images.nonzero().flatten().tolist() == [0]
    spoil(root, 2)
    with pytest.raises(RuntimeError, match='2 images of RAFDB'):
        read_all(dataset)


def test_evaluation_error_comes_out_of_a_worker_with_the_name(root):
    spoil(root, 5)
    with pytest.raises(UnreadableImageError, match='train_00005_aligned.jpg'):
        read_all(RAFDB(root, pipeline=PIPELINE, test_mode=True))


def test_subset_counts_for_itself(root, logged):
    spoil(root, 12)
    dataset = RAFDB(root, pipeline=PIPELINE)
    subset = dataset.get_subset([11, 0])
    subset[0]
    assert subset._bad_images.tolist() == [True, False]
    assert not dataset._bad_images.any()
    dataset.get_subset_([11])
    assert dataset._bad_images.tolist() == [False]


def test_other_errors_of_the_pipeline_are_not_swallowed(root):
    def broken(results):
        raise KeyError('a bug')

    with pytest.raises(KeyError, match='a bug'):
        RAFDB(root, pipeline=[broken])[0]


def test_subclass_says_what_it_must_write():
    with pytest.raises(NotImplementedError):
        FaceDataset('.')


def test_flags_are_in_shared_memory(root):
    flags = RAFDB(root)._bad_images
    assert flags.is_shared() and flags.dtype == torch.bool and len(flags) == 12
