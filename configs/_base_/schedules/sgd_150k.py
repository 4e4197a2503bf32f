# The paper's schedule for Aff-Wild2: as sgd_40e.py, 150,000 iterations of 128 frames. Use with
# iter_runtime.py.
_base_ = 'sgd_40e.py'

# A cosine to zero, stepped every iteration.
param_scheduler = dict(T_max=150000, by_epoch=False)

train_cfg = dict(_delete_=True, by_epoch=False, max_iters=150000, val_interval=10000)
