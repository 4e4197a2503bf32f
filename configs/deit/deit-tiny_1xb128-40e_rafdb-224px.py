# DeiT-Tiny on RAF-DB, from its ImageNet weights: 85.72 % with 1.26 GFLOPs (Table 14).
_base_ = [
    '../_base_/models/deit-tiny.py',
    '../_base_/datasets/rafdb_224.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

# Not shipped: docs/weights.md has the source and the converter of the file. It must contain the
# whole backbone; only the classifier is new.
weights = 'checkpoints/deit-tiny_imagenet.pth'
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=weights, allow_missing=())))
