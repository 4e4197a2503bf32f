# A third of the small FERPlus schedule, also from scratch, tested on the validation split, so that
# settings can be compared: replaces the paper's databases with --data ferplus-small.
_base_ = 'apvit_resnet18-vit-tiny_1xb128-30e_ferplus-48px.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = 10
train_cfg = dict(max_epochs=10)
test_dataloader = dict(dataset=dict(split='val'))
