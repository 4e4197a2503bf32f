# Hybrid-DeiT-Tiny with both poolings on RAF-DB, IR-50 from MS-Celeb-1M and DeiT-Tiny from ImageNet:
# 91.26 % with 6.10 GFLOPs (Table 14).
_base_ = 'hybrid-deit-tiny_ir50_1xb128-40e_rafdb-112px.py'

model = dict(
    backbone=dict(
        app=dict(_delete_=True, type='AttentivePatchPooling', keep_num=120, criterion='abs'),
        atp=dict(_delete_=True, keep_rate=0.9, start=6, criterion='sum'),
    )
)
