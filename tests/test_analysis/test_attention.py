# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_apvit import tiny_backbone
from tool_calls import run_tool

from mmfer.analysis.attention import METHODS, attended_faces, recorded_attention
from mmfer.analysis.attention_rollout import positions_at_blocks, rollout
from mmfer.analysis.compare_attention import attention_rows, paper_keep_nums
from mmfer.analysis.pooling import face_batches
from mmfer.datasets import EXPRESSIONS
from mmfer.inference.model_runner import ModelRunner, pack_images
from mmfer.registry import MODELS

APVIT = 'configs/apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'
TRANSFER = 'configs/transfer/transfer_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'
DEIT = 'configs/deit/deit-micro-atp_1xb16-12e_synthface-64px.py'


def slow_relevance(model, image, left):
    """Run the model and rollout over all 16 patches, with masks instead of dropping."""
    size = 17
    tokens, _ = model.patch_embed(image)
    x = torch.cat((model.cls_token, tokens), 1)[0] + model.pos_embed[0]
    alive = [0, *(left['app'][0] + 1).tolist()]
    product = torch.eye(size)
    for i, layer in enumerate(model.layers):
        qkv = layer.attn.qkv(layer.ln1(x))
        heads = []
        for head in range(2):
            query, key, value = (qkv[:, 16 * part + 8 * head :][:, :8] for part in range(3))
            products = query @ key.T / 8**0.5
            hidden = [n for n in range(size) if n not in alive]
            products[:, hidden] = -torch.inf
            heads.append((products.softmax(-1), value))
        mixed = layer.attn.proj(torch.cat([weights @ value for weights, value in heads], -1))
        residual = 0.5 * sum(weights for weights, _ in heads) / 2 + 0.5 * torch.eye(size)
        rows = torch.eye(size)
        rows[alive] = residual[alive]
        product = rows @ product
        x = layer.ffn(layer.ln2(x + mixed), identity=x + mixed)
        if f'layers.{i}' in left:
            alive = [0, *(left[f'layers.{i}'][0] + 1).tolist()]
    return product[0], model.ln1(x[0])


@torch.no_grad()
def test_rollout_of_a_model_is_that_of_one_that_masks_instead_of_dropping():
    pooling = dict(app=dict(keep_num=12), atp=dict(keep_rate=0.6, start=0))
    model = tiny_backbone(**pooling)
    image = torch.randn(1, 3, 32, 32)
    with recorded_attention(model) as weights:
        (out,), left = model.forward_with_indices(image)
    positions = positions_at_blocks(left, 3, 16, batch=1)
    relevance = rollout([w.mean(1) for w in weights], positions, 16)
    wanted, prediction = slow_relevance(model, image, left)
    torch.testing.assert_close(relevance[0, 0], wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out[0], prediction, atol=1e-5, rtol=1e-4)  # it is the same model


def test_recording_leaves_no_trace():
    model = tiny_backbone()
    with recorded_attention(model) as weights:
        model(torch.randn(2, 3, 32, 32))
    assert [tuple(w.shape) for w in weights] == [(2, 2, 17, 17)] * 3
    model(torch.randn(2, 3, 32, 32))
    assert len(weights) == 3
    assert not any(layer.ln1._forward_hooks for layer in model.layers)


@pytest.fixture(scope='module')
def checkpoints(repo_root, tmp_path_factory):
    """Checkpoints of untrained models by config."""
    folder = tmp_path_factory.mktemp('weights')
    paths = {}
    for number, config in enumerate((APVIT, TRANSFER, DEIT)):
        torch.manual_seed(number)
        cfg = Config.fromfile(repo_root / config).model
        model = MODELS.build(dict(cfg, _scope_='mmfer'))
        torch.nn.init.normal_(model.head.fc.weight)
        for layer in model.backbone.layers:
            torch.nn.init.normal_(layer.attn.qkv.weight, std=0.2)
        paths[config] = folder / f'{number}.pth'
        meta = dict(dataset_meta=dict(classes=EXPRESSIONS))
        torch.save(dict(meta=meta, state_dict=model.state_dict()), paths[config])
    return paths


@pytest.fixture
def runner(repo_root, checkpoints):
    def make(config):
        return ModelRunner.from_files(str(repo_root / config), str(checkpoints[config]))

    return make


@pytest.fixture
def batch(runner):
    """Two faces of the test set."""
    return next(iter(face_batches(runner(APVIT), 2)))


@pytest.mark.parametrize('method', METHODS)
def test_a_face_has_relevance_where_patches_entered(runner, batch, method):
    reader = runner(APVIT)
    reader.model.backbone.out_type = 'cls_token'
    face, _ = attended_faces(reader, batch, method=method)
    assert face.relevance.shape == (8, 8) and 0 < face.relevance.sum() < 1
    entered = np.zeros(64, bool)
    entered[face.first] = True
    assert not face.relevance[~entered.reshape(8, 8)].any()
    if method == 'rollout':
        assert face.relevance[entered.reshape(8, 8)].all()
    np.testing.assert_array_equal(face.first, face.kept['app'])
    np.testing.assert_array_equal(face.last, face.kept['layers.0'])
    assert face.prediction in EXPRESSIONS and face.truth in EXPRESSIONS
    assert face.target == (face.prediction if method == 'attribution' else None)


@pytest.mark.parametrize('method', METHODS)
def test_faces_of_a_batch_are_those_of_each_alone(runner, batch, method):
    both = attended_faces(runner(APVIT), batch, method=method)
    for row, face in enumerate(both):
        one = {key: value[row : row + 1] for key, value in batch.items()}
        (alone,) = attended_faces(runner(APVIT), one, method=method)
        np.testing.assert_allclose(face.relevance, alone.relevance, rtol=1e-2, atol=1e-6)
        np.testing.assert_array_equal(face.last, alone.last)
        assert face.prediction == alone.prediction
    assert not np.allclose(both[0].relevance, both[1].relevance)


@pytest.mark.parametrize('config', [APVIT, TRANSFER, DEIT])
@pytest.mark.parametrize('method', METHODS)
def test_heads_and_readers_make_a_difference(runner, batch, config, method):
    after = runner(config)
    after.model.backbone.out_type = 'cls_token'
    mean = attended_faces(after, batch, method=method)[0].relevance
    largest = attended_faces(after, batch, 'max', method)[0].relevance
    assert not np.allclose(largest, mean, rtol=1e-3, atol=0)
    after.model.backbone.out_type = 'avg_featmap'
    average = attended_faces(after, batch, method=method)[0].relevance
    assert average.any() and not np.allclose(average, mean, rtol=1e-3, atol=0)
    after.model.backbone.out_type = 'raw'
    with pytest.raises(ValueError, match="out_type.*'raw'"):
        attended_faces(after, batch, method=method)
    after.model.backbone.out_type = 'cls_token'
    with pytest.raises(ValueError, match="heads.*'sum'"):
        attended_faces(after, batch, 'sum', method)


def test_maps_for_a_class(runner, batch):
    model = runner(APVIT)
    predicted, _ = attended_faces(model, batch)
    true, _ = attended_faces(model, batch, target='true')
    assert true.target == true.truth and predicted.target == predicted.prediction
    named, _ = attended_faces(model, batch, target=predicted.prediction)
    np.testing.assert_array_equal(named.relevance, predicted.relevance)
    other = next(name for name in EXPRESSIONS if name != predicted.prediction)
    face, _ = attended_faces(model, batch, target=other)
    assert face.target == other and face.prediction == predicted.prediction
    assert not np.allclose(face.relevance, predicted.relevance, rtol=1e-3, atol=0)
    with pytest.raises(ValueError, match="'Joy'"):
        attended_faces(model, batch, target='Joy')
    with pytest.raises(ValueError, match='true class'):
        attended_faces(model, pack_images(np.zeros((1, 64, 64, 3), np.uint8)), target='true')
    with pytest.raises(ValueError, match="rollout.*'Fear'"):
        attended_faces(model, batch, method='rollout', target='Fear')
    with pytest.raises(ValueError, match="method.*'grad'"):
        attended_faces(model, batch, method='grad')


def test_what_relevance_cannot_follow_is_named(runner, batch):
    model = runner(APVIT)
    fc = model.model.head.fc
    model.model.head.forward = lambda feats: fc(feats[-1]) / 9
    with pytest.raises(ValueError, match='rollout'):
        attended_faces(model, batch)
    model = runner(APVIT)
    model.model.neck = torch.nn.Identity()
    with pytest.raises(ValueError, match='model.neck.*Identity'):
        attended_faces(model, batch)
    model = runner(APVIT)
    model.model.backbone.layers[0].ffn = torch.nn.Identity()
    with pytest.raises(ValueError, match='Identity.*rollout'):
        attended_faces(model, batch)


def test_rows_compare_with_the_same_model_without_pooling(runner, batch):
    after = runner(APVIT)
    keep_nums = paper_keep_nums(after.model.backbone)
    assert keep_nums == [52, 39, 26]  # 160, 120 and 80 of 196
    row, _ = attention_rows(after, batch, keep_nums=keep_nums)
    assert [len(row.kept[k]) for k in (52, 39, 26)] == [52, 39, 26]
    assert set(row.kept[26]) < set(row.kept[39]) < set(row.kept[52])
    np.testing.assert_array_equal(row.kept[52], row.after.kept['app'])
    assert len(row.before.first) == len(row.before.last) == 64 and row.before.relevance.any()
    assert len(row.after.first) == 52 and len(row.after.last) == 46


def test_a_model_that_does_not_pool_has_nothing_to_compare(runner, batch):
    model = runner(TRANSFER)
    assert paper_keep_nums(model.model.backbone) == []
    row, _ = attention_rows(model, batch, method='rollout')
    assert not row.kept and row.before is None and (row.after.relevance > 0).all()
    with pytest.raises(ValueError, match='keep_num=9.*model.backbone.app'):
        attention_rows(model, batch, keep_nums=[9])
    with pytest.raises(ValueError, match='keep_num=65'):
        attention_rows(runner(APVIT), batch, keep_nums=[9, 65])


@pytest.mark.parametrize('size', [(96, 96), (80, 64)])
def test_images_of_another_size(runner, size):
    """All sizes follow the grid of the images; a patch is 8 pixels wide."""
    after = runner(APVIT)
    patches = size[0] // 8 * (size[1] // 8)
    keep_nums = paper_keep_nums(after.model.backbone, size)
    assert keep_nums[0] == round(160 * patches / 196)
    batch = pack_images(np.random.default_rng(0).integers(0, 255, (2, *size, 3), np.uint8))
    row, _ = attention_rows(after, batch, runner(TRANSFER), [*keep_nums, patches])
    assert [len(kept) for kept in row.kept.values()] == [*keep_nums, patches]
    assert row.after.grid == row.before.grid == (size[0] // 8, size[1] // 8)
    assert row.after.relevance.shape == row.after.grid
    row, _ = attention_rows(after, batch)
    assert len(row.before.first) == len(row.before.last) == patches
    with pytest.raises(ValueError, match=f'keep_num={patches + 1}'):
        attention_rows(after, batch, keep_nums=[patches + 1])


def test_two_models_see_the_same_images_of_one_size(runner, batch):
    before = runner(TRANSFER)
    row, _ = attention_rows(runner(APVIT), batch, before, [30])
    assert list(row.kept) == [30]
    np.testing.assert_array_equal(row.before.image, row.after.image)
    before.model.backbone.img_size = (112, 112)
    with pytest.raises(ValueError, match=r'\(64, 64\) in .*\(112, 112\) in .*transfer_resnet18'):
        attention_rows(runner(APVIT), batch, before)


def test_the_command(repo_root, checkpoints, tmp_path):
    out = tmp_path / 'attention.png'
    cv2.imwrite(str(tmp_path / 'face.png'), np.full((90, 80, 3), 90, np.uint8))

    def call(*arguments, model=APVIT):
        files = [repo_root / model, checkpoints[model], '--out', out]
        return run_tool('visualization/vis_attention.py', *files, *arguments)

    done = call('--num', '2', '--baseline', repo_root / TRANSFER, checkpoints[TRANSFER])
    assert done.returncode == 0, done.stderr
    assert f'drawn to {out}' in done.stdout
    wide = cv2.imread(str(out)).shape
    files = [tmp_path / 'face.png'] * 2
    done = call('--images', *files, '--method', 'rollout', model=TRANSFER)
    assert done.returncode == 0, done.stderr
    assert wide[1] - cv2.imread(str(out)).shape[1] == 4 * 225  # three k and one model fewer
    done = call('--num', '1', '--target-class', 'Joy')
    assert done.returncode == 1 and "'Joy'" in done.stderr
    done = call('--keep-nums', '70')
    assert done.returncode == 1
    assert 'keep_num' in done.stderr and '70' in done.stderr
    assert call('--keep', '0').returncode == 2
