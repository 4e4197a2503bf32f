# KT-Adapter "M to M": age on UTKFace, canonical encoder the small MobileOne, priors the small
# MobileOne.
_base_ = [
    '../_base_/kt_adapter/mobileone-micro_utkface-64px.py',
    '../_base_/kt_adapter/priors_mobileone-micro_64px.py',
]
model = dict(priors=_base_.priors)
