# WFLW with a validation part that is taken from the training list: 90 % of its images train, 10 %
# validate, and the test list is looked at once, by testing. Everything else as in wflw_224.py.
_base_ = 'wflw_224.py'

val_ratio = 0.1  # of the images, with all of their faces; the same ones on every machine

train_dataloader = dict(dataset=dict(val_ratio=val_ratio))
val_dataloader = dict(dataset=dict(split='val', val_ratio=val_ratio))
