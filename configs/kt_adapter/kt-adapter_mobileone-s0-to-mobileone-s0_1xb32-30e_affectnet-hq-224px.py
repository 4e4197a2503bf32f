# KT-Adapter "M to M": expression on AffectNet-HQ, canonical encoder MobileOne-s0, priors
# MobileOne-s0.
_base_ = [
    '../_base_/kt_adapter/mobileone-s0_affectnet-hq-224px.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
]
model = dict(priors=_base_.priors)
