# APP scored by 'sum' on RAF-DB: 91.72 % (Table 5).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(app=dict(criterion='sum')))
