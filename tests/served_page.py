# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The page of ``serve``, on a free port of this machine."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config

from mmfer import FaceInferencer, get_model

SIZE = 32
GRID = 4  # rows and columns of patches
K, R = 9, 0.5
# 9 patches remain after the CNN, 4 after the first block, 2 after the second.
POOLINGS = dict(app=dict(keep_num=K), atp=dict(keep_rate=R, start=0))


def small_inferencer(
    detector=None, head: dict | None = None, side: int = SIZE, **poolings
) -> FaceInferencer:
    """Build a tiny untrained APViT on drawn faces, without pooling unless ``poolings`` is given."""
    model = dict(
        type='ImageClassifier',
        backbone=dict(
            type='APViT',
            cnn=dict(type='IRNet', depth=18, num_stages=3, base_channels=4),
            arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
            img_size=SIZE,
            **poolings,
        ),
        head=dict(in_channels=16, **(head or dict(type='MLPClsHead', num_classes=7))),
    )
    pipeline = [dict(type='ResizeFace', size=side), dict(type='PackInputs')]
    dataset = dict(type='SynthFace', image_size=SIZE, pipeline=pipeline)
    settings = dict(
        default_scope='mmfer',
        data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
        model=model,
        test_dataloader=dict(dataset=dataset),
    )
    torch.manual_seed(0)
    model = get_model(Config(settings))
    model.init_weights()
    return FaceInferencer(model, device='cpu', detector=detector, min_size=8)


@contextmanager
def served(inferencer: FaceInferencer, limits=None) -> Iterator[str]:
    """Serve the page and yield its URL without the last slash."""
    from mmfer.serve.app import build_app
    from mmfer.serve.drawn_faces import DrawnFaces
    from mmfer.serve.page_model import PageModel
    from mmfer.serve.server import address, host_names, listen, make_server

    drawn = DrawnFaces(inferencer.cfg, inferencer.detector is None)
    app = build_app(PageModel(inferencer, 'small'), drawn, limits, host_names('127.0.0.1'))
    with listen('127.0.0.1', 0) as listener:
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs=dict(sockets=[listener]), daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + 300
            while not server.started:
                assert thread.is_alive() and time.monotonic() < deadline
                time.sleep(0.01)
            yield address(listener).rstrip('/')
        finally:
            server.should_exit = True
            thread.join(10)
