# APViT with InsightFace's form of IR-50, three of its stages, from scratch: 112x112 -> 256 channels
# on 14x14. No published result. docs/weights.md shows how to load face recognition weights.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

model = dict(backbone=dict(cnn=dict(unit='iresnet')))
