# WFLW with a validation split held out from the training list: 90 % of its images for training and
# 10 % for validation; only testing uses the test list. Everything else as in wflw_224.py.
_base_ = 'wflw_224.py'

val_ratio = 0.1  # of the images with all of their faces; the same on every machine

train_dataloader = dict(dataset=dict(val_ratio=val_ratio))
val_dataloader = dict(dataset=dict(split='val', val_ratio=val_ratio))
