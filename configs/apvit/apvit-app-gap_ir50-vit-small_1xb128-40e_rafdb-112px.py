# APP and the average of the patches in place of [class]: 90.91 % (Table 1).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

model = dict(backbone=dict(atp=None, out_type='avg_featmap'))
