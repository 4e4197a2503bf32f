# KT-Adapter "S to S": expression on drawn faces, canonical encoder the small Swin, priors the small
# Swin.
_base_ = [
    '../_base_/kt_adapter/swin-micro_synthface-expression-64px.py',
    '../_base_/kt_adapter/priors_swin-micro_synthface-64px.py',
]
model = dict(priors=_base_.priors)
