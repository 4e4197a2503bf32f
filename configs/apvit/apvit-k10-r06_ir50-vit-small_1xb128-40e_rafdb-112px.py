# APViT (10, .6), the smallest of the paper: 90.67 % with 5.89 GFLOPs (Table 13).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(app=dict(keep_num=10), atp=dict(keep_rate=0.6)))
