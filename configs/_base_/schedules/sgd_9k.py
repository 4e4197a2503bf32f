# The paper's schedule for ExpW: as sgd_6k.py, 9,000 iterations.
_base_ = 'sgd_6k.py'

param_scheduler = dict(T_max=9000)
train_cfg = dict(max_iters=9000)
