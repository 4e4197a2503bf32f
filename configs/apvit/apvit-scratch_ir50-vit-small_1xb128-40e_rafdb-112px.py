# APViT (160, .9) on RAF-DB from scratch, without starting weights: 81.55 % (Table 3).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(init_cfg=None, cnn=dict(init_cfg=None)))
