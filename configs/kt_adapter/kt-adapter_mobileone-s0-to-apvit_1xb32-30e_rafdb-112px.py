# KT-Adapter with APViT as canonical encoder: expression on RAF-DB at 112x112, priors MobileOne-s0.
# The [class] token, 768 wide, is padded to the priors' 1024. Not in the paper.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/kt_adapter_30e.py',
    '../_base_/default_runtime.py',
    '../_base_/kt_adapter/priors_mobileone-s0_224px.py',
]
model = dict(
    type='FaceAnalyzer',
    priors=_base_.priors,
    neck=dict(_delete_=True, type='KTAdapter', canonical='expression', init_scale=0.0),
    # Encoder and decoder start from the published model.
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/apvit_ir50-vit-small_1xb128-40e_rafdb-112px/epoch_40.pth',
    ),
)
train_dataloader = dict(batch_size=32)
