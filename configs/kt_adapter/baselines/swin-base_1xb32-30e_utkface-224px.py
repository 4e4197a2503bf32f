# Baseline of the KT-Adapter: age on UTKFace with Swin-base (the paper's "S (baseline)").
_base_ = [
    '../../_base_/models/swin-base.py',
    '../../_base_/datasets/utkface_224.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    head=dict(
        type='AgeHead',
        in_channels=1024,
        hidden_channels=(256,),
        dropout_rate=0.0,
        loss=dict(type='WingLoss'),
    )
)
