# APViT (160, .9) on RAF-DB's own crops of 100x100, not on realigned faces: no published result.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb-crops_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

# Starting weights of the published model, see apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth')),
    )
)
