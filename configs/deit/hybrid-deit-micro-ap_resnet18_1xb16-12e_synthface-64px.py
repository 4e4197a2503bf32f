# The small Hybrid-DeiT with both poolings, its transformer from scratch, for the small version of
# Table 14.
_base_ = 'hybrid-deit-micro_resnet18_1xb16-12e_synthface-64px.py'

# 120 of 196 patches are 39 of 64.
model = dict(
    backbone=dict(
        app=dict(_delete_=True, type='AttentivePatchPooling', keep_num=39, criterion='abs'),
        atp=dict(_delete_=True, keep_rate=0.9, start=0, criterion='sum'),
    )
)
