# APViT (160, .9) on AffectNet, valence and arousal; no published result.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/affectnet-va_112.py',
    '../_base_/schedules/sgd_6k.py',
    '../_base_/iter_runtime.py',
]

# Starting weights of the published model, see apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth')),
    ),
    head=dict(
        _delete_=True,
        type='ValenceArousalHead',
        in_channels=768,
        loss=dict(type='CCCLoss'),
    ),
)
