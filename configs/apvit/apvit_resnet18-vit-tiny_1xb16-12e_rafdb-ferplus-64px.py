# A small APViT on RAF-DB and FERPlus together from scratch, for CPUs; no published result.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/rafdb-ferplus_64.py',
    '../_base_/schedules/sgd_12e.py',
    '../_base_/default_runtime.py',
]
