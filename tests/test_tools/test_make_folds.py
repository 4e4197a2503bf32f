# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from face_trees import utkface_names, write_cfp, write_folders, write_utkface
from tool_calls import run_tool

from mmfer.datasets import CFP, AffectNetHQ, UTKFace


def run(*arguments):
    return run_tool('dataset_converters/make_folds.py', *arguments)


def keys_of(cls, root, split_file, **options):
    parts = {}
    for split in ('train', 'val', 'test'):
        dataset = cls(str(root), split, split_file=str(split_file), **options)
        parts[split] = set(dataset.split_keys())
    return parts


def test_folds_are_read_back_by_the_dataset(tmp_path):
    root = write_utkface(tmp_path / 'utkface', utkface_names(40))
    done = run('UTKFace', tmp_path / 'out', '--data-root', root, '--folds', 4)
    assert done.returncode == 0, done.stderr
    assert 'fold0.csv: 20 train, 10 val, 10 test' in done.stdout
    tested = []
    for fold in range(4):
        parts = keys_of(UTKFace, root, tmp_path / f'out/fold{fold}.csv')
        assert sum(map(len, parts.values())) == 40 == len(set.union(*parts.values()))
        tested += parts['test']
    assert len(tested) == 40 == len(set(tested))


def test_people_from_labels(tmp_path):
    root = write_cfp(tmp_path / 'cfp', people=range(1, 7))
    done = run('CFP', tmp_path / 'out', '--data-root', root, '--folds', 3, '--people', 'label')
    assert done.returncode == 0, done.stderr
    assert '20 train, 20 val, 20 test, 2 people tested' in done.stdout
    parts = keys_of(CFP, root, tmp_path / 'out/fold0.csv')
    people = [{key.split('/')[0] for key in keys} for keys in parts.values()]
    assert [len(own) for own in people] == [2, 2, 2] and len(set.union(*people)) == 6
    assert 'people kept apart (--people label)' in (tmp_path / 'out/fold0.csv').read_text()


def test_config_and_people_from_names(tmp_path):
    root = write_folders(tmp_path / 'set', dict(sad=12, happy=12))
    config = tmp_path / 'config.py'
    config.write_text(
        "train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(\n"
        f"    type='AffectNetHQ', data_root={str(root)!r}, split='train', pipeline=[],\n"
        "    classes=['Sadness', 'Happiness'])))\n"
    )
    done = run(config, tmp_path / 'out', '--folds', 2, '--no-val', '--people', r'/(\d+)')
    assert done.returncode == 0, done.stderr
    assert '12 train, 0 val, 12 test, 6 people tested' in done.stdout
    options = dict(split_file=str(tmp_path / 'out/fold1.csv'), classes=['Sadness', 'Happiness'])
    keys = [AffectNetHQ(str(root), split, **options).split_keys() for split in ('train', 'test')]
    people = [{key.split('/')[1] for key in part} for part in keys]
    assert len(people[0]) == len(people[1]) == 6 and not people[0] & people[1]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('UTKFace',), '--data-root'),
        (('RAFDB', '--data-root', '.'), "'RAFDB'"),
        (('UTKFace', '--data-root', 'nowhere'), "'nowhere'"),
        (('UTKFace', '--people', '('), '--people'),
    ],
)
def test_wrong_use(tmp_path, arguments, message):
    name, *options = arguments
    done = run(name, tmp_path / 'out', *options)
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr and not (tmp_path / 'out').exists()


def test_too_many_folds(tmp_path):
    root = write_cfp(tmp_path / 'cfp')
    done = run('CFP', tmp_path / 'out', '--data-root', root, '--people', 'label')
    assert done.returncode == 2 and 'folds' in done.stderr
    done = run('CFP', tmp_path / 'out', '--data-root', root, '--people', 'x+')
    assert done.returncode == 2 and "'001/01'" in done.stderr
