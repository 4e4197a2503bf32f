# KT-Adapter "M to C": age on UTKFace, canonical encoder ConvNeXt V2-base, priors MobileOne-s0.
_base_ = [
    '../_base_/kt_adapter/convnext-v2-base_utkface-224px.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
]
model = dict(priors=_base_.priors)
