# *Soft* patch pooling on RAF-DB: 91.07 % (Table 6).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(app=dict(mode='soft')))
