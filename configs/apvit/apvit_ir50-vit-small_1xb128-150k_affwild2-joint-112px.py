# APViT (80, .6) on all tracks of Aff-Wild2: expressions, action units, valence and arousal
# together; no published result.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/affwild2-joint_112.py',
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
    # The first two loss weights are those for two tasks.
    head=dict(
        type='ExpressionAUHead',
        num_units=12,
        loss=dict(loss_weight=10.0),
        au_loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        valence_arousal=dict(type='ValenceArousalHead', loss=dict(type='CCCLoss', loss_weight=1.0)),
    ),
)

# Fewer checkpoints than in shorter schedules: one every 5,000 iterations.
default_hooks = dict(checkpoint=dict(interval=5000))
