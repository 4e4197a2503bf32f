# KT-Adapter "S to M": age on drawn faces, canonical encoder the small MobileOne, priors the small
# Swin.
_base_ = [
    '../_base_/kt_adapter/mobileone-micro_synthface-age-64px.py',
    '../_base_/kt_adapter/priors_swin-micro_synthface-64px.py',
]
model = dict(priors=_base_.priors)
