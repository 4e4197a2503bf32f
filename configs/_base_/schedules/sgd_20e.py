# The paper's schedule for FERPlus: as sgd_40e.py, 20 epochs.
_base_ = 'sgd_40e.py'

param_scheduler = dict(T_max=20)
train_cfg = dict(max_epochs=20)
