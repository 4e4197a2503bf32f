# APViT (160, .9) on RAF-DB, only the CNN starts from a file: 90.84 % (Table 3).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(init_cfg=None))
