# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmfer.engine.hooks import ConfusionMatrixHook
from mmfer.evaluation.confusion_matrix_file import (
    add_confusion_matrices,
    read_confusion_matrix,
    write_confusion_matrix,
)
from mmfer.visualization.confusion_matrix import accuracy_of, draw_confusion_matrices

MATRIX = np.array([[3, 1], [2, 14]])
CLASSES = ('Anger', 'Fear, or worse')
HEADER = 'true \\ predicted,Anger,"Fear, or worse"\n'


def write(path, rows):
    path.write_text(HEADER + rows)
    return path


def run_hook(folder, dpi):
    dataset = SimpleNamespace(metainfo=dict(classes=CLASSES))
    runner = SimpleNamespace(
        work_dir=folder,
        test_dataloader=SimpleNamespace(dataset=dataset),
        logger=MMLogger.get_current_instance(),
    )
    ConfusionMatrixHook(dpi=dpi).after_test_epoch(runner, {'confusion_matrix/result': MATRIX})


def test_what_the_hook_writes_is_read(tmp_path):
    run_hook(tmp_path, dpi=30)
    matrix, names = read_confusion_matrix(tmp_path / 'confusion_matrix.csv')
    np.testing.assert_array_equal(matrix, MATRIX)
    assert names == CLASSES and matrix.dtype.kind == 'i'


def test_the_hook_draws_in_the_resolution_asked_for(tmp_path):
    sizes = []
    for dpi in (30, 60):
        run_hook(tmp_path, dpi)
        sizes.append(np.array(cv2.imread(str(tmp_path / 'confusion_matrix.png')).shape[:2]))
    assert sizes[1] == pytest.approx(2 * sizes[0], abs=2)


def test_a_table_is_utf8_and_replaces_another(tmp_path):
    path = tmp_path / 'a.csv'
    for count in (1, 5):
        write_confusion_matrix(path, np.full((2, 2), count), ['喜び', 'Ärger'])
    assert path.read_bytes().decode('utf-8').splitlines()[1] == '喜び,5,5'
    assert read_confusion_matrix(path)[1] == ('喜び', 'Ärger')


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ('Anger,3,1\nHappiness,2,14\n', r"column \['Anger', 'Happiness'\]"),
        ('Anger,3,1\n', r"column \['Anger'\]"),
        ('Anger,3,many\n"Fear, or worse",2,14\n', "a.csv .*'many'"),
        ('Anger,3,1\n"Fear, or worse",2\n', 'a.csv '),
        ('Anger,3\n"Fear, or worse",2\n', r'\(2, 1\)'),
        ('Anger\n"Fear, or worse"\n', r'a.csv .*\(2, 0\)'),
        ('Anger,3,1\n"Fear, or worse",2,-4\n', '-4'),
    ],
)
def test_other_tables_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read_confusion_matrix(write(tmp_path / 'a.csv', rows))


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='a.csv'):
        read_confusion_matrix(tmp_path / 'a.csv')
    (tmp_path / 'a.csv').touch()
    with pytest.raises(ValueError, match='a.csv'):
        read_confusion_matrix(tmp_path / 'a.csv')


def test_matrices_are_added_up(tmp_path):
    rows = 'Anger,3,1\n"Fear, or worse",2,14\n'
    paths = [write(tmp_path / f'{i}.csv', rows) for i in range(3)]
    matrix, _ = add_confusion_matrices(paths)
    np.testing.assert_array_equal(matrix, 3 * MATRIX)
    paths[1].write_text(paths[1].read_text().replace('Anger', 'Happiness'))
    with pytest.raises(ValueError, match=r'0.csv .*Anger.*1.csv .*Happiness'):
        add_confusion_matrices(paths)


def test_a_panel_for_each_matrix():
    matrices = {
        'RAF-DB': (MATRIX, ['a', 'b']),
        'FERPlus': (np.eye(3, dtype=int), ['a', 'b', 'c']),
        'SFEW': (np.zeros((2, 2), int), ['a', 'b']),
    }
    figure = draw_confusion_matrices(matrices, columns=2, title='all of them')
    panels = [axes for axes in figure.axes if axes.get_images()]
    titles = [axes.get_title() for axes in panels]
    assert titles == [
        'RAF-DB: accuracy 85.00 % of 20 images',
        'FERPlus: accuracy 100.00 % of 3 images',
        'SFEW: accuracy 0.00 % of 0 images',
    ]
    assert [len(axes.texts) for axes in panels] == [4, 9, 4]
    assert [text.get_text() for text in panels[0].texts] == [
        '75.0 %\n3',
        '25.0 %\n1',
        '12.5 %\n2',
        '87.5 %\n14',
    ]
    rows = {round(axes.get_subplotspec().rowspan.start) for axes in panels}
    assert rows == {0, 1}
    bars = [axes for axes in figure.axes if 'true class' in axes.get_ylabel()]
    assert len(bars) == 1 and bars[0].get_ylim() == (0, 100)


def test_texts_of_panels_do_not_touch():
    matrix = np.full((8, 8), 1000)
    names = [f'expression {i}' for i in range(8)]
    figure = draw_confusion_matrices({'first': (matrix, names), 'second': (matrix, names)})
    figure.draw_without_rendering()
    for axes in figure.axes[:2]:
        boxes = [text.get_window_extent() for text in axes.texts]
        side = axes.get_window_extent().width / 8
        assert all(box.width < side and box.height < side for box in boxes)
    outer = [axes.get_tightbbox() for axes in figure.axes[:2]]
    assert not outer[0].overlaps(outer[1])


def test_nothing_to_draw():
    with pytest.raises(ValueError, match='confusion matrix'):
        draw_confusion_matrices({})
    with pytest.raises(ValueError, match=r'\(2, 2\)'):
        draw_confusion_matrices({'a': (MATRIX, ['a'])})


def test_accuracy_in_words():
    assert accuracy_of(MATRIX) == 'accuracy 85.00 % of 20 images'
