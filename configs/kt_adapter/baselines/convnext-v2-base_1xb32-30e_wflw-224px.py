# Baseline of the KT-Adapter: landmarks on WFLW with ConvNeXt V2-base (the paper's "C (baseline)").
_base_ = [
    '../../_base_/models/convnext-v2-base.py',
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
