# A small APViT on drawn faces: trains on two CPU cores in minutes, without any files.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/adamw_12e.py',
    '../_base_/default_runtime.py',
]

# The CNN takes, and from scratch needs, larger steps than the transformer over it.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone.cnn': dict(lr_mult=4.0)}))
