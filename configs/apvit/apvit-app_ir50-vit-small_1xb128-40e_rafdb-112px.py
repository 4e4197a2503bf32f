# APViT with Attentive Patch Pooling only, on RAF-DB: 91.65 % (Table 1).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(atp=None))
