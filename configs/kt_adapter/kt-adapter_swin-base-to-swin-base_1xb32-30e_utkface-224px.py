# KT-Adapter "S to S": age on UTKFace, canonical encoder Swin-base, priors Swin-base.
_base_ = [
    '../_base_/kt_adapter/swin-base_utkface-224px.py',
    '../_base_/kt_adapter/priors_swin-base_224px.py',
]
model = dict(priors=_base_.priors)
