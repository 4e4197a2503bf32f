# Baseline of the KT-Adapter: expression on drawn faces with the small MobileOne.
_base_ = [
    '../../_base_/models/mobileone-micro.py',
    '../../_base_/datasets/synthface-expression_64.py',
    '../../_base_/schedules/adamw_20e.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    head=dict(
        type='MLPClsHead',
        num_classes=7,
        in_channels=128,
        hidden_channels=(64,),
        dropout_rate=0.0,
        loss=dict(type='CrossEntropyLoss'),
    )
)
