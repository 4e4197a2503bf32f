# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
import random
import statistics
from collections import Counter, defaultdict
from pathlib import PurePath

import numpy as np
import pytest

from mmfer.datasets.splits import (
    random_cfp_split,
    read_split_file,
    split_by_name,
    split_by_rank,
    stratified_cfp_split,
    write_split_file,
)


def test_share_of_each_part():
    counts = Counter(split_by_name(f'{i:05d}') for i in range(20_000))
    # Three standard deviations of a binomial with 20,000 trials.
    assert counts['test'] == pytest.approx(3000, abs=152)
    assert counts['val'] == pytest.approx(3000, abs=152)
    assert sum(counts.values()) == 20_000


def test_selection_never_changes():
    # Fixed numbers: results stay comparable between versions.
    parts = [split_by_name(f'{i:05d}') for i in range(8)]
    assert parts == ['train', 'train', 'train', 'val', 'train', 'test', 'train', 'train']
    assert parts != [split_by_name(f'{i:05d}', seed=1) for i in range(8)]


def test_more_for_validation_takes_from_training_only():
    names = [f'{i:05d}' for i in range(500)]
    before = np.array([split_by_name(name, val=0.1) for name in names])
    after = np.array([split_by_name(name, val=0.3) for name in names])
    changed = before != after
    assert set(before[changed]) == {'train'} and set(after[changed]) == {'val'}


@pytest.mark.parametrize(('val', 'test'), [(-0.1, 0.2), (0.5, 0.5), (0.2, -1)])
def test_shares_that_leave_nothing_are_errors(val, test):
    with pytest.raises(ValueError, match=f'not {val} and {test}'):
        split_by_name('a', val, test)
    with pytest.raises(ValueError, match=f'not {val} and {test}'):
        split_by_rank(['a', 'b'], val, test)


@pytest.mark.parametrize('count', [1, 2, 3, 10, 999, 20_000])
@pytest.mark.parametrize(('val', 'test'), [(0.1, 0.15), (0.5, 0.0), (0.0, 0.4)])
def test_parts_by_rank_have_exact_sizes(count, val, test):
    names = [f'{i:05d}' for i in range(count)]
    parts = split_by_rank(names, val, test)
    sizes = Counter(parts.values())
    assert sorted(parts) == names
    assert sizes['test'] == round(count * test)
    assert sizes['val'] == min(round(count * val), count - sizes['test'])


def test_splits_by_rank_never_change():
    names = [f'{i:05d}' for i in range(8)]
    parts = split_by_rank(names, val=0.25, test=0.25)
    # Fixed numbers: results stay comparable between versions.
    assert [parts[name] for name in names] == [
        'val',
        'val',
        'train',
        'test',
        'train',
        'test',
        'train',
        'train',
    ]
    # The order of the list and repeated names have no effect.
    assert split_by_rank([*reversed(names), names[3]], val=0.25, test=0.25) == parts
    assert split_by_rank(names, val=0.25, test=0.25, seed=1) != parts
    # One more name moves few others.
    many = [f'{i:05d}' for i in range(1000)]
    before, after = split_by_rank(many), split_by_rank([*many, 'new'])
    assert sum(before[name] != after[name] for name in many) <= 2


def stem(name):
    return PurePath(name).stem


def test_file_is_read_as_written(tmp_path):
    parts = [('b,c', 'test'), ('a', 'train'), ('d', 'val')]
    write_split_file(tmp_path / 'split.csv', parts, 'made up\nfor a test')
    assert list(read_split_file(tmp_path / 'split.csv', str).items()) == parts
    assert (tmp_path / 'split.csv').read_text().startswith('# made up\n# for a test\nname,split\n')


def test_file_as_people_write_it(tmp_path):
    path = tmp_path / 'split.txt'
    path.write_text('\ufeff# comment\n\nsome/where/a.jpg , train\r\nb,test\n', encoding='utf-8')
    assert read_split_file(path, stem) == dict(a='train', b='test')


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (
            'b.jpg',
            "line 3: 'b.jpg': not \"name,split\" with a split of .'train', 'val'",
        ),
        ('b.jpg,validation', 'line 3: .* not "name,split"'),
        ('b.jpg,val,1', 'line 3: .* not "name,split"'),
        ('x/a.png,test', "line 3: .*'a'"),
        ('name,split', 'line 3: .* not'),
    ],
)
def test_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / 'split.csv'
    path.write_text(f'name,split\na.jpg,train\n{line}\n')
    with pytest.raises(ValueError, match=f'split.csv, {message}'):
        read_split_file(path, stem)


def test_name_that_cannot_be_one(tmp_path):
    (tmp_path / 'split.csv').write_text('a,train\n')
    with pytest.raises(ValueError, match='line 1: '):
        read_split_file(tmp_path / 'split.csv', lambda name: str(int(name)))


def test_missing_and_empty_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv'.*split_file"):
        read_split_file(tmp_path / 'nowhere.csv', str)
    (tmp_path / 'empty.csv').write_text('name,split\n')
    with pytest.raises(ValueError, match='empty.csv'):
        read_split_file(tmp_path / 'empty.csv', str)


def pairs_of_one_person(parts, part='test'):
    counts = Counter(name.split('/')[0] for name, of in parts.items() if of == part)
    return len(counts), sum(math.comb(count, 2) for count in counts.values())


def test_random_cfp_split():
    parts = random_cfp_split()
    assert set(parts) == set(stratified_cfp_split())
    assert Counter(parts.values()) == dict(train=3500, val=750, test=750)
    # As in the docs. Fixed numbers: results stay comparable between versions.
    assert pairs_of_one_person(parts) == (402, 493)
    assert pairs_of_one_person(parts, 'train')[0] == 500, 'a class without a sample is not learnt'
    testing = sorted(name for name, part in parts.items() if part == 'test')
    assert testing[:6] == ['001/03', '001/07', '001/08', '003/01', '004/05', '005/01']


def test_pairs_that_a_random_cfp_split_has():
    names = sorted(random_cfp_split())
    rng = random.Random(0)
    drawn = [dict.fromkeys(rng.sample(names, 750), 'test') for _ in range(400)]
    pairs = [pairs_of_one_person(parts)[1] for parts in drawn]
    assert statistics.mean(pairs) == pytest.approx(math.comb(750, 2) * 9 / 4999, abs=3)
    assert 16 < statistics.stdev(pairs) < 22


def test_stratified_cfp_split_has_everyone_in_every_part():
    parts = stratified_cfp_split()
    assert pairs_of_one_person(parts) == (500, 250)
    assert set(parts) == {f'{p:03d}/{i:02d}' for p in range(1, 501) for i in range(1, 11)}
    assert Counter(parts.values()) == dict(train=3500, val=750, test=750)
    of_person = defaultdict(Counter)
    for name, part in parts.items():
        of_person[name.split('/')[0]][part] += 1
    assert {count['train'] for count in of_person.values()} == {7}
    assert Counter(count['test'] for count in of_person.values()) == {1: 250, 2: 250}
    # Fixed numbers: results stay comparable between versions.
    testing = sorted(name for name, part in parts.items() if part == 'test')
    assert testing[:6] == [
        '001/08',
        '002/02',
        '003/01',
        '004/05',
        '004/07',
        '005/07',
    ]
