# APViT (120, .9) on SFEW 2.0, from RAF-DB weights: 61.92 % on its validation set (Table 10).
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/sfew_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

model = dict(backbone=dict(app=dict(keep_num=120)))

# All weights including the classifier: both have the same seven classes in one order. A checkpoint
# of apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py, or the authors' converted one
# (docs/weights.md).
load_from = 'checkpoints/apvit_rafdb.pth'
