# A small TransFER on drawn faces, for comparison with the small APViT.
_base_ = [
    '../_base_/models/transfer_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/sgd_12e.py',
    '../_base_/default_runtime.py',
]

# As in the small APViT.
model = dict(backbone=dict(out_type='avg_featmap'))
