# ResNet-18 on FERPlus from scratch, for as long as the small APViT's 30 epochs.
_base_ = 'small-resnet18_1xb128-66e_ferplus-48px.py'

model = dict(
    backbone=dict(_delete_=True, type='ResNet', depth=18),
    head=dict(in_channels=512),
)

param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = 20
train_cfg = dict(max_epochs=20)
