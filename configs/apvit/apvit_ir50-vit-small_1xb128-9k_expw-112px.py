# APViT (80, .6) on ExpW: 73.48 % (Table 11), on a split with the same shares.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/expw_112.py',
    '../_base_/schedules/sgd_9k.py',
    '../_base_/iter_runtime.py',
]

# Starting weights of the published model, see apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth')),
        app=dict(keep_num=80),
        atp=dict(keep_rate=0.6),
    )
)
