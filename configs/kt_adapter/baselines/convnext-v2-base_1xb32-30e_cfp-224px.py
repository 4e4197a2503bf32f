# Baseline of the KT-Adapter: recognition on CFP with ConvNeXt V2-base (the paper's "C (baseline)").
_base_ = [
    '../../_base_/models/convnext-v2-base.py',
    '../../_base_/datasets/cfp_224.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
    '../../_base_/kt_adapter/decoder_recognition_224px.py',
]
model = dict(
    head=_base_.decoder,
)
