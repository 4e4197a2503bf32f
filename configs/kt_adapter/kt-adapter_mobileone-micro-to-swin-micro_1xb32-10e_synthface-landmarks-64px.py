# KT-Adapter "M to S": landmarks on drawn faces, canonical encoder the small Swin, priors the small
# MobileOne.
_base_ = [
    '../_base_/kt_adapter/swin-micro_synthface-landmarks-64px.py',
    '../_base_/kt_adapter/priors_mobileone-micro_synthface-64px.py',
]
model = dict(priors=_base_.priors)
