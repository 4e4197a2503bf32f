# A small APViT on RAF-DB from scratch, for trials on a CPU; no published result.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/rafdb_64.py',
    '../_base_/schedules/sgd_12e.py',
    '../_base_/default_runtime.py',
]
