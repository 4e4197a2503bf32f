# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from pasted_faces import KnownFaces, paste
from served_page import GRID, POOLINGS, SIZE, K, R, small_inferencer

from mmfer.datasets import SynthFace
from mmfer.models.pooling_settings import PoolingSettings, keep_all, read_pooling, use_pooling
from mmfer.serve.page_model import MAX_FACES, PageModel


def faces(count):
    drawn = SynthFace(split='test', num_samples=count, image_size=SIZE)
    return [drawn[index]['img'] for index in range(count)]


def decode(url):
    kind, _, content = url.partition(';base64,')
    assert kind in ('data:image/png', 'data:image/jpeg')
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)


def scores(answer, key='score'):
    return {bar['name']: bar[key] for bar in answer['faces'][0]['bars']}


def test_the_response_equals_the_inferencer():
    inferencer = small_inferencer(**POOLINGS)
    (image,) = faces(1)
    answer = PageModel(inferencer, 'small').read(image)
    ((expected,),) = (result.faces for result in inferencer([image], patches=True))
    assert scores(answer) == expected.scores and len(scores(answer)) == 7
    with use_pooling(inferencer.model.backbone, keep_all(inferencer.model.backbone)):
        ((whole,),) = (result.faces for result in inferencer([image]))
    assert scores(answer, 'whole') == whole.scores != expected.scores
    assert answer['settings'] == dict(keep_num=K, keep_rate=R) and answer['tokens'] == [4, 2]
    (face,) = answer['faces']
    kept = [len(positions) for positions in expected.patches.stages.values()]
    assert [stage['kept'] for stage in face['stages']] == kept == [9, 4, 2]
    assert [stage['title'] for stage in face['stages']] == ['APP', 'ATP, block 1', 'ATP, block 2']
    assert answer['speed']['pooled'] > 0 and answer['speed']['whole'] > 0
    json.dumps(answer)


def test_images_show_what_was_kept():
    answer = PageModel(small_inferencer(**POOLINGS), 'small').read(faces(1)[0])
    (face,) = answer['faces']
    crop = decode(face['crop'])
    side = len(crop) // GRID
    for stage in face['stages']:
        same = (decode(stage['image']) == crop).all(axis=2)
        cells = same.reshape(GRID, side, GRID, side).all(axis=(1, 3))
        assert cells.sum() == stage['kept']
    assert decode(answer['image']).shape == (SIZE, SIZE, 3)


def test_settings_change_it_and_are_reset():
    inferencer = small_inferencer(**POOLINGS)
    model, (image,) = PageModel(inferencer, 'small'), faces(1)
    trained = model.read(image)
    moved = model.read(image, PoolingSettings(5, 1.0))
    assert [stage['kept'] for stage in moved['faces'][0]['stages']] == [5, 5, 5]
    assert scores(moved) != scores(trained) and scores(moved, 'whole') == scores(trained, 'whole')
    whole = model.read(image, PoolingSettings(GRID**2, 1.0))
    assert scores(whole) == scores(whole, 'whole') == scores(trained, 'whole')
    assert read_pooling(inferencer.model.backbone) == PoolingSettings(K, R)


def test_requests_at_once_do_not_mix():
    model, (image,) = PageModel(small_inferencer(**POOLINGS), 'small'), faces(1)
    numbers = list(range(1, GRID**2 + 1, 3))
    expected = [scores(model.read(image, PoolingSettings(number, 1.0))) for number in numbers]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda k: model.read(image, PoolingSettings(k, 1.0)), numbers))
    assert [answer['settings']['keep_num'] for answer in answers] == numbers
    assert [scores(answer) for answer in answers] == expected


@pytest.mark.parametrize('side', [24, 48])
def test_images_of_another_size_than_the_backbones(side):
    """The grid has patches of 8 pixels."""
    inferencer = small_inferencer(side=side, **POOLINGS)
    model, patches = PageModel(inferencer, 'small'), (side // 8) ** 2
    answer = model.read(faces(1)[0])
    assert model.describe()['num_patches'] == patches
    whole = model.read(faces(1)[0], PoolingSettings(patches, 1.0))
    assert whole['tokens'] == [patches, patches]
    assert scores(whole) == scores(whole, 'whole') == scores(answer, 'whole')
    with pytest.raises(ValueError, match=f'keep_num={patches + 1}'):
        model.check(PoolingSettings(patches + 1))


def test_thin_images_are_drawn():
    image = np.zeros((1, 10000, 3), np.uint8)
    assert decode(PageModel(small_inferencer(), 'small').read(image)['image']).shape[0] == 1


def test_without_poolings():
    model = PageModel(small_inferencer(), 'small')
    about, answer = model.describe(), model.read(faces(1)[0])
    assert about['num_patches'] is about['keep_num'] is about['keep_rate'] is None
    assert not {'settings', 'tokens'} & set(answer) and 'whole' not in answer['speed']
    assert answer['faces'][0]['stages'] == [] and 'whole' not in answer['faces'][0]
    assert 'whole' not in answer['faces'][0]['bars'][0]
    with pytest.raises(ValueError, match='model.backbone.app'):
        model.read(faces(1)[0], PoolingSettings(3))


def test_many_faces_and_no_face():
    places = [(4 + 40 * column, 4 + 40 * row) for row in range(3) for column in range(5)]
    model = PageModel(small_inferencer(KnownFaces(places), **POOLINGS), 'small')
    crowd = model.read(paste(faces(15), places, 130, 210))
    assert crowd['found'] == 15 and len(crowd['faces']) == MAX_FACES == 12
    nobody = model.read(paste([], []))
    assert (nobody['status'], nobody['found'], nobody['faces']) == ('no face', 0, [])
    assert nobody['reason'] and 'speed' not in nobody


def test_large_images_come_back_smaller():
    image = cv2.resize(faces(1)[0], (3000, 2000))
    answer = PageModel(small_inferencer(), 'small').read(image)
    assert decode(answer['image']).shape == (1067, 1600, 3)


def test_age():
    model = PageModel(small_inferencer(head=dict(type='AgeHead'), **POOLINGS), 'small')
    (face,) = model.read(faces(1)[0])['faces']
    assert face['bars'] == [] and face['title'].endswith(' years') and face['whole']


def test_times_are_medians_in_milliseconds(monkeypatch):
    inferencer, now, order = small_inferencer(**POOLINGS), [0.0], []
    seconds = dict(pooled=iter((9, 1, 5, 2, 1, 7)), whole=iter((9, 3, 3, 4, 8, 4)))
    forward = inferencer.forward

    def slow_forward(cuts, patches=False):
        order.append('pooled' if read_pooling(inferencer.model.backbone).keep_num == K else 'whole')
        if len(order) > 2:  # the two forward passes before are those of the response
            now[0] += next(seconds[order[-1]])
        return forward(cuts, patches)

    monkeypatch.setattr(inferencer, 'forward', slow_forward)
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr('mmfer.benchmark.timing.time', clock)
    speed = PageModel(inferencer, 'small').read(faces(1)[0])['speed']
    assert speed == dict(pooled=2000, whole=4000, passes=5)
    turns = [set(order[place : place + 2]) for place in range(0, len(order), 2)]
    assert turns == [{'pooled', 'whole'}] * 7


def test_blocks_with_different_rates_have_no_slider():
    poolings = dict(POOLINGS, atp=dict(keep_rate=[0.8, 0.3], start=0))
    model = PageModel(small_inferencer(**poolings), 'small')
    assert model.describe()['keep_rate'] is None and model.describe()['keep_num'] == K
    answer = model.read(faces(1)[0])
    assert answer['tokens'] == [7, 2]
    assert json.loads(json.dumps(answer['settings'])) == dict(keep_num=K, keep_rate=[0.8, 0.3])
