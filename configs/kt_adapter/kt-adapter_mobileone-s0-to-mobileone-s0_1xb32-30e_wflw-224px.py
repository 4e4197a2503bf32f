# KT-Adapter "M to M": landmarks on WFLW, canonical encoder MobileOne-s0, priors MobileOne-s0.
_base_ = [
    '../_base_/kt_adapter/mobileone-s0_wflw-224px.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
]
model = dict(priors=_base_.priors)
