# KT-Adapter "M to M": recognition on CFP, canonical encoder the small MobileOne, priors the small
# MobileOne.
_base_ = [
    '../_base_/models/mobileone-micro.py',
    '../_base_/datasets/cfp_64.py',
    '../_base_/schedules/kt_adapter_10e.py',
    '../_base_/default_runtime.py',
    '../_base_/kt_adapter/priors_mobileone-micro_64px.py',
    '../_base_/kt_adapter/decoder_recognition_64px.py',
]
model = dict(
    type='FaceAnalyzer',
    priors=_base_.priors,
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(
        _delete_=True, type='KTAdapter', canonical='recognition', embed_dims=128, init_scale=0.0
    ),
    head=_base_.decoder,
    # Encoder and decoder start from the baseline.
    init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/mobileone-micro_1xb32-20e_cfp-64px/epoch_20.pth'
    ),
)
