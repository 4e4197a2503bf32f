# Baseline of the KT-Adapter: recognition on CFP with MobileOne-s0 (the paper's "M (baseline)").
_base_ = [
    '../../_base_/models/mobileone-s0.py',
    '../../_base_/datasets/cfp_224.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    head=dict(
        type='MLPClsHead',
        num_classes=500,
        in_channels=1024,
        hidden_channels=(256,),
        dropout_rate=0.0,
        loss=dict(type='CrossEntropyLoss'),
        with_feat=True,
    )
)
