# The CNN of the small APViT with average pooling and no transformer, on FERPlus from scratch.
_base_ = [
    '../../_base_/datasets/ferplus_48.py',
    '../../_base_/schedules/sgd_ema_30e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallImageResNet', depth=18, base_channels=32),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=8,
        in_channels=128,
        loss=dict(type='CrossEntropyLoss', use_soft=True),
    ),
)

# As long as the small APViT's 30 epochs.
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = 33
train_cfg = dict(max_epochs=33)
