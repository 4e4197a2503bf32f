# Baseline of the KT-Adapter: expression on AffectNet-HQ with MobileOne-s0 (the paper's "M
# (baseline)").
_base_ = [
    '../../_base_/models/mobileone-s0.py',
    '../../_base_/datasets/affectnet-hq_224.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
    '../../_base_/kt_adapter/decoder_expression_224px.py',
]
model = dict(
    head=_base_.decoder,
)
