# KT-Adapter "S to M": landmarks on WFLW, canonical encoder MobileOne-s0, priors Swin-base.
_base_ = [
    '../_base_/kt_adapter/mobileone-s0_wflw-224px.py',
    '../_base_/kt_adapter/priors_swin-base_224px.py',
]
model = dict(priors=_base_.priors)
