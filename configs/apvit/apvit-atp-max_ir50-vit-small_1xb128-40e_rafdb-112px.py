# ATP scored by 'max' on RAF-DB: 91.39 % (Table 5).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(atp=dict(criterion='max')))
