# APViT (80, .6): about half of the cost, for large datasets (Sec. 4.2).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(app=dict(keep_num=80), atp=dict(keep_rate=0.6)))
