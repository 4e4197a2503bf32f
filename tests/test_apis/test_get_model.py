# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict
from task_models import write_task

from mmfer.apis.model_index import find_model, list_models, read_model_index
from mmfer.apis.models import get_model
from mmfer.apis.publish_model import publish_model
from mmfer.checkpoint import CheckpointError
from mmfer.datasets import EXPRESSIONS
from mmfer.inference.model_facts import class_names, model_facts, normalization, task_of
from mmfer.version import __version__

SMALL = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'


class TestIndex:
    def test_every_model_has_its_config(self):
        models = read_model_index()
        assert list(models) and list_models() == sorted(models)
        for name, model in models.items():
            assert model.config.is_file() and model.config.stem == name
            assert model.task and model.dataset

    def test_patterns(self):
        assert list_models('deit-tiny*') == [
            *('deit-tiny-atp_1xb128-40e_rafdb-224px', 'deit-tiny_1xb128-40e_rafdb-224px')
        ]
        assert list_models('apvit_') and not list_models('vit')
        assert set(list_models('*rafdb')) < set(list_models())

    def test_configs_outside_the_index_have_names_too(self):
        assert SMALL not in list_models()
        assert find_model(SMALL).config.name == f'{SMALL}.py'

    def test_errors_list_similar_names(self):
        with pytest.raises(ValueError, match='apvit_ir5.*Similar.*ir50'):
            find_model('apvit_ir5-vit-small_1xb128-40e_rafdb-112px')


class TestGetModel:
    def test_by_name_and_by_config(self, repo_root):
        torch.manual_seed(0)
        by_name = get_model(SMALL, cfg_options=['model.backbone.app.keep_num=20'])
        assert by_name.backbone.app.keep_num == 20 and not by_name.training
        assert by_name._dataset_meta['classes'] == EXPRESSIONS
        by_path = get_model(repo_root / f'configs/apvit/{SMALL}.py')
        assert by_path.backbone.app.keep_num == 52
        by_config = get_model(by_name._config)
        assert by_config.backbone.app.keep_num == 20

    def test_normalization_comes_with_it(self):
        preprocessor = get_model(SMALL).data_preprocessor
        assert preprocessor.mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])

    def test_a_training_checkpoint_carries_its_config(self, tmp_path):
        config, checkpoint = write_task(tmp_path, 'age')
        content = torch.load(checkpoint, weights_only=True)
        content['meta'] = dict(cfg=Config.fromfile(config).pretty_text)
        torch.save(content, tmp_path / 'epoch_1.pth')
        images = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            ages = get_model(tmp_path / 'epoch_1.pth').eval()(images)[-1]
            assert torch.equal(ages, get_model(config, checkpoint)(images)[-1])
        with pytest.raises(FileNotFoundError, match='no checkpoint .*none.pth'):
            get_model(tmp_path / 'epoch_1.pth', tmp_path / 'none.pth')

    def test_modules_that_a_checkpoint_names_are_not_imported(self, tmp_path, monkeypatch):
        config, checkpoint = write_task(tmp_path, 'age')
        cfg = Config.fromfile(config)
        cfg.custom_imports = dict(imports=['my_own_parts'], allow_failed_imports=False)
        content = torch.load(checkpoint, weights_only=True)
        content['meta'] = dict(cfg=cfg.pretty_text)
        torch.save(content, tmp_path / 'epoch_1.pth')
        with pytest.raises(ValueError, match='my_own_parts.*--weights'):
            get_model(tmp_path / 'epoch_1.pth')
        monkeypatch.setitem(sys.modules, 'my_own_parts', sys)  # already imported by the user
        assert get_model(tmp_path / 'epoch_1.pth')

    def test_a_config_in_a_checkpoint_is_not_run(self, tmp_path):
        path, mark = tmp_path / 'a.pth', tmp_path / 'mark'
        torch.save(dict(meta=dict(cfg=f"a = open('{mark}', 'w')"), state_dict={}), path)
        with pytest.raises(ValueError, match='a.pth.*config'):
            get_model(path)
        assert not mark.exists()

    def test_weights_without_config(self, tmp_path):
        _, checkpoint = write_task(tmp_path, 'age')
        with pytest.raises(ValueError, match='age.pth.*config'):
            get_model(checkpoint)

    def test_without_weights(self):
        with pytest.raises(ValueError, match=f'{SMALL}.*--weights'):
            get_model(SMALL, allow_untrained=False)
        assert get_model(SMALL).head.num_classes == 7

    def test_weights_of_a_training_that_diverged(self, tmp_path):
        config, checkpoint = write_task(tmp_path, 'age')
        content = torch.load(checkpoint, weights_only=True)
        content['state_dict']['head.layers.1.fc.bias'].fill_(torch.nan)
        torch.save(content, checkpoint)
        with pytest.raises(ValueError, match='age.pth.*head.layers.1.fc.bias'):
            get_model(config, checkpoint)

    @pytest.mark.parametrize('kind', ['apvit', 'transfer'])
    def test_another_size_of_image(self, tmp_path, kind):
        """Position embeddings are resized, as when training starts from pre-trained weights."""
        config, checkpoint = write_task(tmp_path, 'expression', backbone=kind)
        option = 'model.backbone.img_size=64'
        model = get_model(config, checkpoint, cfg_options=[option])
        trained = get_model(config, cfg_options=[option])
        load_state_dict(trained, torch.load(checkpoint, weights_only=True)['state_dict'])
        assert model.backbone.pos_embed.shape == (1, 65, 16)
        assert torch.equal(model.backbone.pos_embed, trained.backbone.pos_embed)
        with pytest.raises(ValueError, match='backbone.pos_embed'):
            get_model(config, checkpoint, cfg_options=['model.backbone.arch.embed_dims=32'])

    def test_files_without_weights(self, tmp_path):
        config, checkpoint = write_task(tmp_path, 'age')
        torch.save([1, 2], checkpoint)
        with pytest.raises(ValueError, match='age.pth'):
            get_model(config, checkpoint)

    @pytest.mark.parametrize('name', ['EPOCH_1.PTH', 'AGE.SAFETENSORS', 'a.PTH.tar'])
    def test_names_in_capitals_and_with_other_endings(self, tmp_path, name):
        config, checkpoint = write_task(tmp_path, 'age')
        publish_model(config, checkpoint, tmp_path / 'age.safetensors').rename(tmp_path / name)
        if 'PTH' in name:
            content = torch.load(checkpoint, weights_only=True)
            meta = dict(cfg=Config.fromfile(config).pretty_text)
            torch.save(dict(content, meta=meta), tmp_path / name)
        assert get_model(tmp_path / name).head.in_channels == 16

    def test_files_of_other_kinds(self, tmp_path):
        (tmp_path / 'net.onnx').write_bytes(b'a graph')
        with pytest.raises(CheckpointError, match='net.onnx is not a checkpoint'):
            get_model(tmp_path / 'net.onnx')

    def test_missing_files(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='config .*none.py'):
            get_model(tmp_path / 'none.py')
        with pytest.raises(FileNotFoundError, match='checkpoint'):
            get_model(SMALL, tmp_path / 'none.pth')


class TestFacts:
    def facts(self, **model):
        return Config(dict(model=model))

    def test_tasks(self):
        for expected, model in (
            ('age', dict(head=dict(type='AgeHead'))),
            ('landmarks', dict(head=dict(type='LandmarkHead'))),
            ('recognition', dict(head=dict(type='MLPClsHead', with_feat=True))),
            ('age', dict(neck=dict(type='KTAdapter', canonical='age'), head=dict())),
            ('expression', dict(neck=dict(type='KTAdapter'), head=dict())),
            (
                'valence_arousal',
                dict(neck=dict(type='KTAdapter'), head=dict(type='ValenceArousalHead')),
            ),
            ('classification', dict(head=dict(type='LinearClsHead'))),
        ):
            assert task_of(self.facts(**model)) == expected
        head = dict(type='LinearClsHead', num_classes=7)
        assert task_of(self.facts(head=head), EXPRESSIONS) == 'expression'
        assert task_of(self.facts(head=head), ('cat', 'dog')) == 'classification'

    def test_class_names_must_be_as_many_as_outputs(self):
        cfg = self.facts(head=dict(type='LinearClsHead', num_classes=2))
        meta = dict(dataset_meta=dict(classes=['no', 'yes']))
        assert class_names(cfg, meta) == ('no', 'yes')
        cfg.model.head.num_classes = 3
        assert class_names(cfg, meta) == ('0', '1', '2')
        cfg.test_dataloader = dict(dataset=dict(dataset=dict(metainfo=dict(classes='abc'))))
        assert class_names(cfg, meta) == ('0', '1', '2')
        cfg.test_dataloader.dataset.dataset.metainfo.classes = ('a', 'b', 'c')
        assert class_names(cfg, meta) == ('a', 'b', 'c')
        # Scores are stored by name: equal names would be merged.
        assert class_names(cfg, dict(dataset_meta=dict(classes=['b', 'b', 'c']))) == tuple('abc')
        cfg.model.head.type = 'AgeHead'
        assert class_names(cfg, meta) == ()

    def test_class_names_of_a_data_set(self):
        cfg = self.facts(head=dict(type='LinearClsHead', num_classes=7))
        cfg.test_dataloader = dict(dataset=dict(type='RAFDB'))
        assert class_names(cfg) == EXPRESSIONS

    def test_normalization(self):
        cfg = Config(dict(model=dict(), data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6])))
        assert normalization(cfg) == dict(
            mean=[1, 2, 3], std=[4, 5, 6], order='BGR', standardize=False
        )
        cfg.model.data_preprocessor = dict(to_rgb=True, standardize=True)
        assert normalization(cfg) == dict(
            mean=[0, 0, 0], std=[1, 1, 1], order='RGB', standardize=True
        )

    def test_all_of_them(self):
        cfg = self.facts(head=dict(type='LinearClsHead', num_classes=2), backbone=dict(img_size=32))
        facts = model_facts(cfg, dict(dataset_meta=dict(classes=('no', 'yes'))))
        assert facts == dict(
            classes=['no', 'yes'],
            input_size=[32, 32],
            mmfer_version=__version__,
            preprocessing=normalization(cfg),
            task='classification',
        )
        assert model_facts(cfg, size=(40, 48))['input_size'] == [40, 48]
