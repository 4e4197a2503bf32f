# A small APViT on drawn faces that learns valence and arousal.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface-va_64.py',
    '../_base_/schedules/sgd_12e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(
        _delete_=True,
        type='ValenceArousalHead',
        in_channels=128,
        activation='tanh',  # or 'linear', clipped to -1 and 1 in predictions only
        loss=dict(type='CCCLoss'),  # or MSELoss, L1Loss
    )
)
