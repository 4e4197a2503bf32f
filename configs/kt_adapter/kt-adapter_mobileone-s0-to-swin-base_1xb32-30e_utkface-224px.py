# KT-Adapter "M to S": age on UTKFace, canonical encoder Swin-base, priors MobileOne-s0.
_base_ = [
    '../_base_/kt_adapter/swin-base_utkface-224px.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
]
model = dict(priors=_base_.priors)
