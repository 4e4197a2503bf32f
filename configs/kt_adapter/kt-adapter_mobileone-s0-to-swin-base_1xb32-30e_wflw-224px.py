# KT-Adapter "M to S": landmarks on WFLW, canonical encoder Swin-base, priors MobileOne-s0.
_base_ = [
    '../_base_/kt_adapter/swin-base_wflw-224px.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
]
model = dict(priors=_base_.priors)
