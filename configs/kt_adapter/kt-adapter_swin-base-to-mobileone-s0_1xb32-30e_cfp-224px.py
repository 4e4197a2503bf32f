# KT-Adapter "S to M": recognition on CFP, canonical encoder MobileOne-s0, priors Swin-base.
_base_ = [
    '../_base_/kt_adapter/mobileone-s0_cfp-224px.py',
    '../_base_/kt_adapter/priors_swin-base_224px.py',
]
model = dict(priors=_base_.priors)
