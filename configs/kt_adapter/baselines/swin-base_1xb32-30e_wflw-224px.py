# Baseline of the KT-Adapter: landmarks on WFLW with Swin-base (the paper's "S (baseline)").
_base_ = [
    '../../_base_/models/swin-base.py',
    '../../_base_/datasets/wflw_224.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    head=dict(
        type='LandmarkHead',
        input_size=224,
        in_channels=1024,
        hidden_channels=(256,),
        dropout_rate=0.0,
        loss=dict(type='WingLoss'),
    )
)
