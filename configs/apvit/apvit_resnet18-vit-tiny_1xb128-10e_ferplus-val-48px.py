# A third of the small FERPlus schedule, tested on the validation part, as settings may be compared
# there: stands in for the paper's databases with `reproduce.py --data ferplus-small`.
_base_ = 'apvit_resnet18-vit-tiny_1xb128-30e_ferplus-48px.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = 10
train_cfg = dict(max_epochs=10)
test_dataloader = dict(dataset=dict(split='val'))
