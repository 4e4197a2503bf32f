# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json

import pytest
from published import FACTS, publish_with_facts

from mmfer.apis.published_facts import published_facts, read_facts
from mmfer.datasets import EXPRESSIONS


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'facts.yml').write_text(FACTS)
    return tmp_path / 'facts.yml'


def test_plain_values(path):
    assert read_facts(path, EXPRESSIONS) == dict(
        purpose='To try the machinery.',
        date='2026-01-31',
        training_data=[dict(name='Drawn faces', images=12, licence='CC0-1.0')],
        results=[
            dict(
                data='drawn faces, test split',
                protocol='one view of each',
                metrics={
                    'accuracy/top1': 14.29,
                    'class_accuracy/mean': 14.0,
                    'class_accuracy/Anger': 50.0,
                },
            )
        ],
        limits='It was not trained.',
    )


def test_metrics_of_the_file_that_a_test_wrote(path):
    numbers = {'accuracy/top1': 80.126, 'confusion_matrix/result': [[1, 0], [0, 1]]}
    (path.parent / 'test.json').write_text(json.dumps(numbers))
    start = FACTS.index('{acc')
    path.write_text(FACTS.replace(FACTS[start : FACTS.index('}') + 1], 'test.json'))
    assert read_facts(path)['results'][0]['metrics'] == {'accuracy/top1': 80.13}


@pytest.mark.parametrize(
    ('old', 'new', 'named'),
    [
        ('purpose: To try the machinery.', '', 'purpose'),
        ('    licence: CC0-1.0\n', '', 'training_data.0 lacks licence'),
        ('    protocol: one view of each\n', '', 'results.0 lacks protocol'),
        ('limits:', 'limit:', "'limit'"),
        ('class_accuracy/Anger', 'class_accuracy/Rage', 'Rage'),
        ('50}', '.nan}', 'Anger'),
        ('12', '!!python/name:os.system', 'nothing in it was'),
        ('12', '!!binary aGk=', 'images is a bytes'),
        ('training_data:\n  - name', 'training_data:\n    name', 'training_data.*list'),
    ],
)
def test_what_is_refused(path, old, new, named):
    assert old in FACTS
    path.write_text(FACTS.replace(old, new))
    with pytest.raises(ValueError, match=named):
        read_facts(path, EXPRESSIONS)


def test_other_files(path):
    with pytest.raises(FileNotFoundError, match='none.yml'):
        read_facts(path.with_name('none.yml'))
    path.write_text('- a list')
    with pytest.raises(ValueError, match='purpose'):
        read_facts(path)


def test_facts_of_a_file(tmp_path):
    _, published = publish_with_facts(tmp_path)
    facts = published_facts(published)
    assert list(facts)[:3] == ['task', 'classes', 'facts'] and 'cfg' not in facts
    assert facts['facts'] == read_facts(tmp_path / 'facts.yml', EXPRESSIONS)
    assert facts['classes'] == list(EXPRESSIONS)
