# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Every config and every variant of the indices is built and trained for one step.

Configs whose models differ in starting weights and number of classes only share that step. Encoders
of the KT-Adapter of full size have their full depth once; under other heads they are thin.
"""

import json
from pathlib import Path

import pytest
import torch
from expression_trees import expression_roots
from face_trees import (
    utkface_names,
    wflw_line,
    write_cfp,
    write_folders,
    write_utkface,
    write_wflw,
)
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.optim import build_optim_wrapper
from mmengine.visualization import Visualizer
from rafdb_tree import write_rafdb
from shipped_configs import CONFIGS, PAPERS, graph_of, key_of, read_config, variants

from mmfer.models import FaceAnalyzer
from mmfer.registry import DATASETS, HOOKS, METRICS, MODELS
from mmfer.reproduction.variants import get
from mmfer.utils.dataset_config import unwrapped

EXPRESSION_FOLDERS = ('anger', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
#: Encoders of full width and little depth.
THIN = {
    'MobileOne': dict(
        num_blocks=[1, 1, 1, 1],
        width_factor=[0.75, 1.0, 1.0, 2.0],
        num_conv_branches=[1, 1, 1, 1],
        num_se_blocks=[0, 0, 0, 0],
    ),
    'ConvNeXt': dict(depths=[1, 1, 1, 1], channels=[8, 16, 32, 1024]),
    'SwinTransformer': dict(embed_dims=128, depths=[1, 1, 1, 1], num_heads=[4, 8, 16, 32]),
}
#: Databases of a paper on which its variants are trained for a step, all of them on one or another.
TRAINED_ON = {'apvit': ['SynthFace'], 'kt_adapter': ['synthface-age-64px', 'utkface-224px']}


def one_of_each(configs: dict) -> list:
    """Names of configs, the first one of each graph."""
    firsts = {}
    for name, cfg in configs.items():
        firsts.setdefault(key_of(cfg), name)
    return list(firsts.values())


READ = {path: read_config(path) for path in CONFIGS}
ONE_OF_EACH = one_of_each(READ)
#: The baselines of the KT-Adapter whose encoders have their full depth.
DEEP = {}
for _path, _cfg in READ.items():
    if _cfg.model.type == 'ImageClassifier':
        DEEP.setdefault(json.dumps(graph_of(_cfg.model.backbone.to_dict())), _path)


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Data roots of small made-up datasets by their types."""
    folder = tmp_path_factory.mktemp('data')
    lines = [wflw_line(f'{number}.jpg') for number in range(20)]
    return {
        'RAFDB': write_rafdb(folder / 'rafdb', size=100),
        'UTKFace': write_utkface(folder / 'utkface', utkface_names(40)),
        'WFLW': write_wflw(folder / 'wflw', lines, lines[:2]),
        'CFP': write_cfp(folder / 'cfp'),
        'AffectNetHQ': write_folders(folder / 'affectnet', dict.fromkeys(EXPRESSION_FOLDERS, 6)),
        **expression_roots(folder),
    }


def small_dataset(cfg: dict, roots: dict[str, Path]):
    """Build the dataset of a config over few or made-up images."""
    inner = unwrapped(cfg)
    for leaf in inner.get('datasets') or [inner]:
        leaf['serialize_data'] = False  # it collects garbage, which takes longer than all the rest
        if leaf['type'] == 'SynthFace':
            leaf.update(num_samples=14, cache=False)
        elif leaf['type'] in roots:
            leaf['data_root'] = str(roots[leaf['type']])
        if leaf['type'] == 'CIFAR10':
            leaf['type'] = 'MadeUpCIFAR10'
    return DATASETS.build(cfg)


def fileless_model(cfg: Config, deep: bool):
    """Build the model of a config without any file; encoders are thin unless they are ``deep``."""
    settings = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    priors = settings.get('priors', {}).values()
    for holder in () if deep else (settings, *priors):
        if holder['backbone'].get('arch') in ('s0', 'base'):
            holder['backbone']['arch'] = THIN[holder['backbone']['type']]
    for prior in priors:
        prior['checkpoint'] = None
    return MODELS.build(settings)


def state_of(module: torch.nn.Module) -> list[torch.Tensor]:
    """Parameters and buffers as they are now."""
    return [value.clone() for value in module.state_dict().values()]


def is_changed(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
    return not all(map(torch.equal, before, module.state_dict().values()))


def check_prediction(prediction, head) -> None:
    """A prediction is what its head promises."""
    if head.type == 'AgeHead':
        assert isinstance(prediction.pred_age, float) and 0 < prediction.pred_age < 120
    elif head.type == 'LandmarkHead':
        assert prediction.pred_landmarks.shape == (98, 2)
        assert torch.isfinite(prediction.pred_landmarks).all()
    elif head.type == 'ValenceArousalHead':
        assert prediction.pred_valence_arousal.abs().max() <= 1
    else:
        assert prediction.pred_score.shape == (head.num_classes,)
        assert prediction.pred_label == prediction.pred_score.argmax()
        # What faces are compared by, where the metrics ask for it.
        assert ('feat' in prediction) == bool(head.get('with_feat'))


def train_one_step(cfg: Config, roots: dict, deep: bool = True) -> None:
    """Train the config's model on two images, and test it on one."""
    dataset = small_dataset(cfg.train_dataloader.dataset, roots)
    test_set = small_dataset(cfg.test_dataloader.dataset, roots)
    model = fileless_model(cfg, deep)
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: state_of(part) for name, part in model.named_children()}
    model.train()
    losses = model.train_step(default_collate([dataset[0], dataset[1]]), optim_wrapper)
    assert torch.isfinite(losses['loss'])
    assert is_changed(before['head'], model.head)
    frozen = isinstance(model, FaceAnalyzer)
    assert is_changed(before['backbone'], model.backbone) != frozen
    if frozen:
        assert is_changed(before['neck'], model.neck)

    model.eval()
    with torch.no_grad():
        (prediction,) = model.test_step(default_collate([test_set[0]]))
    check_prediction(prediction, cfg.model.head)


def test_there_are_few_configs_and_their_basenames_are_unique():
    assert 50 < len(CONFIGS) < 100
    assert len({path.name for path in CONFIGS}) == len(CONFIGS)  # mim finds configs by basename


def test_configs_that_share_a_graph_share_its_step():
    full_size = [path for path in ONE_OF_EACH if 'ir50' in path.stem]
    assert len(full_size) < len([path for path in CONFIGS if 'ir50' in path.stem])
    deep = [path for path in DEEP.values() if 'kt_adapter' in path.parts and '224' in path.stem]
    assert len(deep) == 3  # MobileOne-s0, ConvNeXt V2-base, Swin-base


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_builds_all_but_the_model(path, roots):
    cfg = read_config(path)
    assert cfg.default_scope == 'mmfer'
    dataset = small_dataset(cfg.train_dataloader.dataset, roots)
    small_dataset(cfg.test_dataloader.dataset, roots)
    classes, num_classes = dataset.metainfo.get('classes', ()), cfg.model.head.get('num_classes', 0)
    if cfg.train_dataloader.dataset.type == 'CFP':  # 3 of the 500 people
        assert len(classes) < num_classes == 500
    elif cfg.model.head.type != 'ValenceArousalHead':  # which has no use for expressions
        assert len(classes) == num_classes
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
            METRICS.build(metric)
    Visualizer.get_instance('configs')  # the runner makes one before its hooks, which ask for it
    for hook in (*cfg.default_hooks.values(), *cfg.get('custom_hooks', [])):
        HOOKS.build(hook)
    MODELS.build(dict(cfg.model.head))  # the number of classes is not of the graph


@pytest.mark.parametrize('path', ONE_OF_EACH, ids=lambda p: p.stem)
def test_every_graph_trains_one_step(path, roots):
    train_one_step(read_config(path), roots, deep=path in DEEP.values())


def cells(paper: str, databases=None) -> dict:
    """(paper, database, variant) -> config, wherever there is such a variant."""
    known = variants(paper)
    return {
        (paper, database, variant): known.config(database, variant)
        for database in databases or known.index.databases
        for variant in known.index.variants
        if known.exists(database, variant)
    }


def variants_to_train() -> list:
    """One of each graph that is not a config's."""
    configs = {path: READ[path] for path in ONE_OF_EACH}
    for paper, databases in TRAINED_ON.items():
        configs |= cells(paper, databases)
    return [name for name in one_of_each(configs) if name not in READ]


@pytest.mark.parametrize(('paper', 'database', 'variant'), variants_to_train())
def test_every_graph_of_a_variant_trains_one_step(paper, database, variant, roots):
    train_one_step(variants(paper).config(database, variant), roots, deep=False)


def settings_of(node, path: str = '') -> dict:
    """Dotted path -> value of everything in a config that is no section."""
    if isinstance(node, dict) and node:
        return {k: v for key in node for k, v in settings_of(node[key], f'{path}.{key}').items()}
    return {path[1:]: node}


@pytest.mark.parametrize('paper', PAPERS)
def test_a_variant_changes_what_it_says_and_nothing_else(paper):
    """On every database, so that training on one of them is enough."""
    known = variants(paper)
    trained_on = TRAINED_ON[paper]
    for name, variant in known.index.variants.items():
        if not any(known.exists(database, name) for database in trained_on):
            models = [known.config(d, name) for d in known.index.databases if known.exists(d, name)]
            assert {key_of(cfg) for cfg in models} <= {key_of(READ[path]) for path in ONE_OF_EACH}
        for database, recipe in variant.items():
            helpers = ('priors', 'encoder') if recipe.parts else ()
            changed = (*recipe.options, *recipe.parts, *helpers)
            before = settings_of(known.read(known.path(database, name)).to_dict())
            cfg = known.config(database, name)
            after = settings_of(cfg.to_dict())
            differing = {
                path
                for path in before.keys() | after.keys()
                if before.get(path, ...) != after.get(path, ...)
            }
            assert all(path.startswith(changed) for path in differing), (name, database)
            for path, value in recipe.options.items():
                if not path.endswith('keep_num'):
                    expected = value.format(database=database) if isinstance(value, str) else value
                    assert get(cfg, path) == expected, (name, database, path)


def test_leaves_are_small_differences():
    for path in CONFIGS:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        assert len(lines) < 40, path
        assert lines[0].startswith('#'), f'{path} does not say what it is'
