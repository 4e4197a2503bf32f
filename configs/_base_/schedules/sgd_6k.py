# The paper's schedule for AffectNet: as sgd_40e.py, but half the learning rate and 6,000 iterations
# of 128 images. Use with iter_runtime.py.
_base_ = 'sgd_40e.py'

optim_wrapper = dict(optimizer=dict(lr=5e-4))

# A cosine to zero, stepped every iteration.
param_scheduler = dict(T_max=6000, by_epoch=False)

train_cfg = dict(_delete_=True, by_epoch=False, max_iters=6000, val_interval=500)
