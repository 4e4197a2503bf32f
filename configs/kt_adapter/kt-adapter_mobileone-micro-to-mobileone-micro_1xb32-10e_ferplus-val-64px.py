# KT-Adapter "M to M": expression on FERPlus, canonical encoder the small MobileOne, priors the
# small MobileOne.
_base_ = [
    '../_base_/models/mobileone-micro.py',
    '../_base_/datasets/ferplus-val_64.py',
    '../_base_/schedules/kt_adapter_10e.py',
    '../_base_/default_runtime.py',
    '../_base_/kt_adapter/priors_mobileone-micro_64px.py',
    '../_base_/kt_adapter/decoder_expression_64px.py',
]
model = dict(
    type='FaceAnalyzer',
    priors=_base_.priors,
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(
        _delete_=True, type='KTAdapter', canonical='expression', embed_dims=128, init_scale=0.0
    ),
    head=dict(_base_.decoder, num_classes=8),
    # Encoder and decoder start from the baseline.
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/mobileone-micro_1xb32-20e_ferplus-val-64px/epoch_20.pth',
    ),
)
