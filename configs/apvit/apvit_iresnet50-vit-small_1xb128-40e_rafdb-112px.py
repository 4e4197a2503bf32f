# APViT over InsightFace's form of IR-50, three of its stages, from scratch: 112x112 -> 256 channels
# on 14x14. No published figure. docs/weights.md says how cnn.init_cfg gets weights of face
# recognition.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

model = dict(backbone=dict(cnn=dict(unit='iresnet')))
