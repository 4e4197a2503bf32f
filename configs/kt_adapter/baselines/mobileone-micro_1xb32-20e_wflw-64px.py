# Baseline of the KT-Adapter: landmarks on WFLW with the small MobileOne, from scratch.
_base_ = [
    '../../_base_/models/mobileone-micro.py',
    '../../_base_/datasets/wflw_64.py',
    '../../_base_/schedules/adamw_20e.py',
    '../../_base_/default_runtime.py',
    '../../_base_/kt_adapter/decoder_landmarks_64px.py',
]
model = dict(
    head=_base_.decoder,
)
