# KT-Adapter "S to S": expression on AffectNet-HQ, canonical encoder Swin-base, priors Swin-base.
_base_ = [
    '../_base_/models/swin-base.py',
    '../_base_/datasets/affectnet-hq_224.py',
    '../_base_/schedules/kt_adapter_30e.py',
    '../_base_/default_runtime.py',
    '../_base_/kt_adapter/priors_swin-base_224px.py',
    '../_base_/kt_adapter/decoder_expression_224px.py',
]
model = dict(
    type='FaceAnalyzer',
    priors=_base_.priors,
    backbone=dict(init_cfg=None),
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(_delete_=True, type='KTAdapter', canonical='expression', init_scale=0.0),
    head=_base_.decoder,
    # Encoder and decoder start from the baseline.
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/swin-base_1xb32-30e_affectnet-hq-224px/epoch_30.pth',
    ),
)
