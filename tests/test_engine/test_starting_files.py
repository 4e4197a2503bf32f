# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config
from shipped_configs import read_config
from tool_calls import run_tool

from mmfer.engine.starting_files import require_starting_files, starts

PRETRAINED = dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth')


def test_every_setting_that_names_one():
    cnn = dict(type='IRNet', init_cfg=[dict(type='Xavier'), dict(PRETRAINED, checkpoint='cnn')])
    backbone = dict(type='APViT', init_cfg=PRETRAINED, cnn=cnn)
    cfg = Config(dict(load_from='all', model=dict(backbone=backbone, head=dict(init_cfg=None))))
    assert starts(cfg) == {
        'load_from': 'all',
        'model.backbone.init_cfg.checkpoint': PRETRAINED['checkpoint'],
        'model.backbone.cnn.init_cfg.1.checkpoint': 'cnn',
    }


@pytest.mark.parametrize('neck', [dict(canonical='expression'), dict(type='KTAdapter')])
def test_priors_as_the_model_chooses_them(neck):
    backbone = dict(type='IRNet', init_cfg=PRETRAINED)
    priors = dict(
        expression=dict(backbone=backbone, checkpoint='expression.pth'),
        age=dict(backbone=backbone, checkpoint='age.pth'),
        landmarks=dict(backbone=backbone),
        recognition=dict(backbone=backbone, checkpoint='recognition.pth'),
    )
    model = dict(neck=neck, priors=priors, num_priors=2)
    assert starts(Config(dict(model=model))) == {
        'model.priors.age.checkpoint': 'age.pth',
        'model.priors.landmarks.backbone.init_cfg.checkpoint': PRETRAINED['checkpoint'],
    }


def test_all_missing_files_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = read_config('apvit_ir50-vit-small_1xb128-40e_rafdb-112px')
    with pytest.raises(FileNotFoundError) as error:
        require_starting_files(cfg)
    for part in (
        'vit-small_imagenet.pth (model.backbone.init_cfg.checkpoint) does not exist: '
        'python -m mmfer weights get vit-small_imagenet\n',
        'ir50_ms1m.pth (model.backbone.cnn.init_cfg.checkpoint) does not exist: download',
    ):
        assert part in str(error.value)
    (tmp_path / 'checkpoints').mkdir()
    for path in starts(cfg).values():
        (tmp_path / path).touch()
    require_starting_files(cfg)


def test_urls_are_left_to_the_loader():
    require_starting_files(Config(dict(load_from='https://localhost/a.pth', model=dict())))


def test_training_stops_before_the_data_is_read(tmp_path, repo_root):
    """The data is missing as well, but training does not get that far."""
    name = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px'
    config = repo_root / 'configs' / 'apvit' / f'{name}.py'
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'work', cwd=tmp_path)
    assert done.returncode == 1
    assert 'does not exist: python -m mmfer weights get vit-small_imagenet' in done.stderr
    assert not list((tmp_path / 'work').iterdir())
