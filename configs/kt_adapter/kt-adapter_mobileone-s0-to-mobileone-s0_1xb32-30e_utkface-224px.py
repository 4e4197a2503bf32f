# KT-Adapter "M to M": age on UTKFace, canonical encoder MobileOne-s0, priors MobileOne-s0.
_base_ = [
    '../_base_/models/mobileone-s0.py',
    '../_base_/datasets/utkface_224.py',
    '../_base_/schedules/kt_adapter_30e.py',
    '../_base_/default_runtime.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
    '../_base_/kt_adapter/decoder_age_224px.py',
]
model = dict(
    type='FaceAnalyzer',
    priors=_base_.priors,
    backbone=dict(init_cfg=None),
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(_delete_=True, type='KTAdapter', canonical='age', init_scale=0.0),
    head=_base_.decoder,
    # Encoder and decoder start from the baseline.
    init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/mobileone-s0_1xb32-30e_utkface-224px/epoch_30.pth'
    ),
)
