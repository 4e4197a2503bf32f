# APViT (160, .9) on RAF-DB, only the transformer starts from a file: 78.91 % (Table 3).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(cnn=dict(init_cfg=None)))
