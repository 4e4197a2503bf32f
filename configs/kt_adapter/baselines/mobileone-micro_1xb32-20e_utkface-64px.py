# Baseline of the KT-Adapter: age on UTKFace with the small MobileOne, from scratch.
_base_ = [
    '../../_base_/models/mobileone-micro.py',
    '../../_base_/datasets/utkface_64.py',
    '../../_base_/schedules/adamw_20e.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    head=dict(
        type='AgeHead',
        in_channels=128,
        hidden_channels=(64,),
        dropout_rate=0.0,
        loss=dict(type='WingLoss'),
    )
)
