# APViT (160, .9) on RAF-DB, realigned faces: the published model, 91.98 % (Table 1).
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

# Starting weights of the published model (Table 3). Neither file is shipped: docs/weights.md has
# their sources, licences and converters. Without them, train
# apvit-scratch_ir50-vit-small_1xb128-40e_rafdb-112px.py.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth')),
    )
)
