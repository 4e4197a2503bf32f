# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A KT-Adapter with tiny encoders, and its training on a few drawn faces."""

import copy
import itertools

from mmengine.config import Config

_RUNS = itertools.count()

#: 16 channels on a 4x4 grid, with BatchNorm.
CNN = dict(type='IRNet', depth=18, num_stages=3, base_channels=4)
#: 24 channels, with drop-path.
VIT = dict(
    type='VisionTransformer',
    arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=32),
    img_size=32,
    patch_size=16,
    drop_path_rate=0.5,
    out_type='avg_featmap',
)
PRIORS = dict(age=dict(backbone=CNN), landmarks=dict(backbone=VIT), recognition=dict(backbone=CNN))


def analyzer_config(**changes) -> dict:
    """Return the config of the model; ``changes`` override its arguments."""
    settings = dict(
        type='FaceAnalyzer',
        data_preprocessor=dict(num_classes=7, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
        backbone=CNN,
        priors=PRIORS,
        neck=dict(type='KTAdapter', embed_dims=32, num_heads=4),
        head=dict(
            type='LinearClsHead',
            num_classes=7,
            in_channels=16,
            loss=dict(type='CrossEntropyLoss'),
        ),
    )
    return copy.deepcopy({**settings, **changes})


def training_config(work_dir, runtime, **changes) -> Config:
    """Return a config of two epochs with three shuffled batches each, on the CPU.

    Args:
        work_dir: Output folder.
        runtime: The file ``default_runtime.py``.
        changes: Overrides, with ``__`` instead of dots in the keys.
    """
    cfg = Config.fromfile(runtime)
    cfg.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            # MMEngine shares logs between runs with the same name that start in the same second.
            experiment_name=f'toy_analyzer_{next(_RUNS)}',
            log_level='WARNING',
            model=analyzer_config(),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dict(
                    type='SynthFace',
                    num_samples=11,
                    image_size=32,
                    pipeline=[dict(type='PackInputs')],
                ),
                sampler=dict(type='DefaultSampler', shuffle=True),
                collate_fn=dict(type='default_collate'),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1)
            ),
            randomness=dict(seed=0, deterministic=True),
        )
    )
    cfg.merge_from_dict({k.replace('__', '.'): copy.deepcopy(v) for k, v in changes.items()})
    return cfg
