# A small APViT on drawn faces, expressions and action units together, as on Aff-Wild2.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface-au_64.py',
    '../_base_/schedules/sgd_12e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(
        type='ExpressionAUHead',
        num_units=12,
        loss=dict(loss_weight=10.0),
        au_loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    )
)
