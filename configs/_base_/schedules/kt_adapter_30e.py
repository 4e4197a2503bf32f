# The adapter and the decoder, full size: the paper's learning rate of 1e-5, batch 32, cosine with
# warm-up. The paper does not give the optimizer and the number of epochs.
_base_ = 'adamw_30e.py'
optim_wrapper = dict(optimizer=dict(lr=1e-5))
