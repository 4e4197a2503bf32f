# APViT (80, .6) on Aff-Wild2, valence and arousal; no published result.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/affwild2-va_112.py',
    '../_base_/schedules/sgd_150k.py',
    '../_base_/iter_runtime.py',
]

# Starting weights of the published model, see apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth')),
        app=dict(keep_num=80),
        atp=dict(keep_rate=0.6),
    ),
    head=dict(
        _delete_=True,
        type='ValenceArousalHead',
        in_channels=768,
        loss=dict(type='CCCLoss'),
    ),
)

# Fewer checkpoints than in shorter schedules: one every 5,000 iterations.
default_hooks = dict(checkpoint=dict(interval=5000))
