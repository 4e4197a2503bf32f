# A small APViT on FERPlus from scratch, for CPUs: trains within an hour on one core, for comparison
# with other models. The one that comes with mmfer trains its CNN first; docs/results.md has both.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/ferplus_48.py',
    '../_base_/schedules/sgd_ema_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        # 48x48 pixels -> 128 channels on a 6x6 grid.
        cnn=dict(base_channels=32),
        img_size=48,
        app=dict(keep_num=28),
        atp=dict(keep_rate=0.8),
        # As in the paper.
        out_type='cls_token',
    ),
    head=dict(num_classes=8, loss=dict(use_soft=True)),
)
