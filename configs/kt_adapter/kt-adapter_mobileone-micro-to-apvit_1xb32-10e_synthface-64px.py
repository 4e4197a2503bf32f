# KT-Adapter with a small APViT as canonical encoder: expression on drawn faces, priors of the small
# MobileOne.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/kt_adapter_10e.py',
    '../_base_/default_runtime.py',
    '../_base_/kt_adapter/priors_mobileone-micro_synthface-64px.py',
]
model = dict(
    type='FaceAnalyzer',
    priors=_base_.priors,
    neck=dict(
        _delete_=True, type='KTAdapter', canonical='expression', embed_dims=128, init_scale=0.0
    ),
    # Encoder and decoder start from the small APViT of `make demo`.
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px/epoch_12.pth',
    ),
)
train_dataloader = dict(batch_size=32)
