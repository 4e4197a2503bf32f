# A small APViT on drawn faces: trains on two CPU cores in minutes and needs no files.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/sgd_12e.py',
    '../_base_/default_runtime.py',
]
