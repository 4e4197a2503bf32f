# MobileOne-s0 on FERPlus from scratch.
_base_ = [
    '../../_base_/datasets/ferplus_48.py',
    '../../_base_/schedules/sgd_ema_30e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='MobileOne', arch='s0'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=8,
        in_channels=1024,
        loss=dict(type='CrossEntropyLoss', use_soft=True),
    ),
)

# As long a training as the small APViT's 30 epochs.
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = 8
train_cfg = dict(max_epochs=8)
