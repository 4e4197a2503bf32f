# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from mmengine.fileio import dump

from mmfer.analysis.class_accuracies import mean_and_spread, read_class_accuracies

METRICS = {
    'accuracy/top1': 62.5,
    'class_accuracy/mean': 65.0,
    'class_accuracy/Anger': 50.0,
    'class_accuracy/Fear': 80.0,
    'confusion_matrix/result': [[1, 1, 0], [1, 4, 0], [0, 0, 0]],
}
CSV = 'true \\ predicted,Anger,Fear,Contempt\nAnger,1,1,0\nFear,1,4,0\nContempt,0,0,0\n'


@pytest.mark.parametrize('name', ['metrics.json', 'metrics.yaml', 'confusion_matrix.csv'])
def test_metrics_and_matrix_say_the_same(tmp_path, name):
    path = tmp_path / name
    path.write_text(CSV) if name.endswith('csv') else dump(METRICS, path)
    assert read_class_accuracies(path) == {'Anger': 50.0, 'Fear': 80.0}


def test_other_files_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent.json'):
        read_class_accuracies(tmp_path / 'absent.json')
    (tmp_path / 'metrics.pkl').touch()
    with pytest.raises(ValueError, match='metrics.pkl.*.csv'):
        read_class_accuracies(tmp_path / 'metrics.pkl')
    for content in ({'accuracy/top1': 1.0}, [1]):
        (tmp_path / 'other.json').write_text(json.dumps(content))
        with pytest.raises(ValueError, match='class_accuracy/.*MeanClassAccuracy'):
            read_class_accuracies(tmp_path / 'other.json')


@pytest.mark.parametrize('suffix', ['yaml', 'yml', 'json'])
@pytest.mark.parametrize(
    'content',
    [
        "class_accuracy/a: !!python/object/apply:builtins.open ['MARK', 'w']",
        "class_accuracy/a: !!python/object/new:tuple [!!python/name:os.system '']",
        '!!python/module:antigravity a: 1',
        *('a: [', '{"class_accuracy/a": "x"}', '{"class_accuracy/a": [1]}', '\x00', '{1: 2}'),
        *('[' * 9999, '&a [*a]', '{"class_accuracy/a": 1' + '0' * 400 + '}'),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_nothing_in_a_file_is_run(tmp_path, monkeypatch, content, suffix):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f'metrics.{suffix}'
    path.write_text(content.replace('MARK', str(tmp_path / 'mark')))
    with pytest.raises(ValueError, match=f'metrics.{suffix}'):
        read_class_accuracies(path)
    assert not (tmp_path / 'mark').exists()


def test_mean_and_standard_deviation():
    tests = [{'a': 10.0, 'b': 30.0}, {'b': 50.0, 'a': 20.0}, {'a': 60.0, 'b': 40.0}]
    means, spreads = mean_and_spread(tests)
    assert means == {'a': 30, 'b': 40, 'mean': 35}
    assert spreads == pytest.approx(
        {
            'a': np.std([10, 20, 60], ddof=1),
            'b': np.std([30, 50, 40], ddof=1),
            'mean': np.std([20, 35, 50], ddof=1),
        }
    )
    assert mean_and_spread(tests[:1]) == ({'a': 10, 'b': 30, 'mean': 20}, {})
    with pytest.raises(ValueError, match=r"classes.*\['a'\].*\['a', 'b'\]"):
        mean_and_spread([tests[0], {'a': 1.0}])
