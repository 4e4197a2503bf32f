# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""One small model of every kind of graph is exported and compared with PyTorch."""

import pytest
import torch
from mmpretrain.structures import DataSample
from onnx_graphs import kept_counts
from shipped_configs import BY_NAME, write_variant

from mmfer.deployment.compare import OPEN_MARGIN, SelectionMargins, compare, compare_all
from mmfer.deployment.exported import OnnxModel
from mmfer.deployment.load import drawn_images, load_for_export, random_images, real_images
from mmfer.deployment.onnx import export_onnx

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('onnxscript', reason='onnxscript is not installed')

APVIT = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'
LEARNED = {'app.criterion': 'lanet', 'app.score_on': 'features', 'atp.criterion': 'max'}
PAPERS = {'app.criterion': 'lanet', 'app.lanet_form': 'paper', 'qk_scale': 0.1}
BLOCKWISE = {'app.criterion': 'square', 'atp.keep_rate': [0.75, 0.5]}
LARGEST = {'app.criterion': 'max', 'atp.criterion': 'abs'}
CLASS_TOKEN = {'app.criterion': 'sum', 'out_type': 'cls_token'}
KT = 'kt-adapter_mobileone-micro-to-{}_1xb32-10e_synthface-{}-64px'
CLASSES = ('scores', 'logits')

#: Name -> config, or variant and database; settings that override it; outputs; tokens that each
#: choice keeps.
FAMILIES = {
    'apvit': (APVIT, {}, CLASSES, [52, 46, 41]),
    'baseline': ('apvit-baseline_resnet18-vit-tiny_1xb16-12e_synthface-64px', {}, CLASSES, []),
    'soft': (APVIT, {'app.mode': 'soft', 'atp': None}, CLASSES, []),
    'lanet': (APVIT, LEARNED, CLASSES, [52, 46, 41]),
    'lanet-paper': (APVIT, PAPERS, CLASSES, [52, 46, 41]),
    'a rate for each block': (APVIT, BLOCKWISE, CLASSES, [52, 39, 19]),
    'max': (APVIT, LARGEST, CLASSES, [52, 46, 41]),
    'class token': (APVIT, CLASS_TOKEN, CLASSES, [52, 46]),
    'transfer': ('transfer_resnet18-vit-tiny_1xb16-12e_synthface-64px', {}, CLASSES, []),
    'deit': ('deit-micro_1xb16-12e_synthface-64px', {}, CLASSES, []),
    'deit-atp': ('deit-micro-atp_1xb16-12e_synthface-64px', {}, CLASSES, [51]),
    'hybrid': ('hybrid-deit-micro-ap_resnet18_1xb16-12e_synthface-64px', {}, CLASSES, [39, 35, 31]),
    'action-units': (
        'apvit_resnet18-vit-tiny_1xb16-12e_synthface-au-64px',
        {},
        (*CLASSES, 'action_units'),
        [52, 46, 41],
    ),
    'valence-arousal': (
        'apvit_resnet18-vit-tiny_1xb16-12e_synthface-va-64px',
        {},
        ('valence_arousal',),
        [52, 46, 41],
    ),
    'kt-expression': (KT.format('mobileone-micro', 'expression'), {}, CLASSES, []),
    'kt-age': (('mobileone-micro-to-convnext-v2-micro', 'synthface-age-64px'), {}, ('age',), []),
    'kt-landmarks': (KT.format('mobileone-micro', 'landmarks'), {}, ('landmarks',), []),
    'kt-recognition': (
        ('mobileone-micro-to-swin-micro', 'synthface-recognition-64px'),
        {},
        (*CLASSES, 'feature'),
        [],
    ),
    'kt-apvit': (
        'kt-adapter_mobileone-micro-to-apvit_1xb32-10e_synthface-64px',
        {},
        CLASSES,
        [52, 46, 41],
    ),
    'kt-no-mask': (('dm-pe', 'synthface-age-64px'), {}, ('age',), []),
}


@pytest.mark.parametrize('family', FAMILIES)
def test_the_exported_model_has_the_same_outputs(family, tmp_path):
    name, settings, outputs, kept = FAMILIES[family]
    options = {f'model.backbone.{key}': value for key, value in settings.items()}
    config = BY_NAME[name] if isinstance(name, str) else write_variant(tmp_path, *name)
    loaded = load_for_export(str(config), options=options)
    content = export_onnx(loaded.model, loaded.size, loaded.facts())
    assert kept_counts(content) == kept
    exported = OnnxModel(content)
    assert exported.output_names == outputs
    assert exported.input_shape == ('batch', 3, 64, 64)
    assert all(shape[0] == 'batch' for shape in exported.output_shapes.values())
    assert all(isinstance(n, int) for s in exported.output_shapes.values() for n in s[1:])

    groups = [('random', random_images(7, (64, 64))), ('drawn', drawn_images(3, (64, 64)))]
    for comparison in compare_all(loaded.model, exported, groups):
        assert comparison.passes(1e-4), comparison
        if comparison.same_label is not None:
            assert comparison.same_label >= comparison.count - comparison.open_choices

    images = torch.cat([group[1][:3] for group in groups])
    assert_same_predictions(loaded.model, exported, images)


def assert_same_predictions(model, exported, images):
    """Compare ``test_step``, which mmengine calls, on images without near-ties."""
    with SelectionMargins() as margins:
        expected = model.test_step(batch_of(images))
    given = exported.test_step(batch_of(images))
    clear = margins.smallest(len(images)) >= OPEN_MARGIN
    assert clear.any()
    for index in clear.nonzero().flatten().tolist():
        ours, theirs = given[index], expected[index]
        assert set(ours.keys()) == set(theirs.keys())
        for field, value in theirs.items():
            value = torch.as_tensor(value, dtype=torch.float32)
            found = torch.as_tensor(ours.get(field), dtype=torch.float32)
            torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-4)


def batch_of(images):
    return dict(inputs=list(images), data_samples=[DataSample() for _ in images])


def test_photographs(real_data):
    """The small APViT on aligned photographs."""
    loaded = load_for_export(
        str(BY_NAME['apvit_resnet18-vit-tiny_1xb16-12e_rafdb-64px']),
        options={'test_dataloader.dataset.data_root': str(real_data / 'rafdb_layout')},
    )
    name, images = real_images(loaded.cfg, 20, loaded.size)
    assert name == 'test set' and len(images) == 20
    exported = OnnxModel(export_onnx(loaded.model, loaded.size, loaded.facts()))
    comparison = compare(loaded.model, exported, images, name, 7)
    assert comparison.passes(1e-4), comparison
    assert comparison.same_label == 20
