# The CNN of the small APViT with average pooling and no transformer, on FERPlus from scratch: a
# baseline, and where apvit-pretrained_resnet18-vit-tiny_1xb128-10e_ferplus-48px.py starts.
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

param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = 66
train_cfg = dict(max_epochs=66)
