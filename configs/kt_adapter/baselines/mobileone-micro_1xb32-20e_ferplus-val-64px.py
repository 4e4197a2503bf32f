# Baseline of the KT-Adapter: expression on FERPlus with the small MobileOne, from scratch.
_base_ = [
    '../../_base_/models/mobileone-micro.py',
    '../../_base_/datasets/ferplus-val_64.py',
    '../../_base_/schedules/adamw_20e.py',
    '../../_base_/default_runtime.py',
    '../../_base_/kt_adapter/decoder_expression_64px.py',
]
model = dict(
    head=dict(_base_.decoder, num_classes=8),
)
