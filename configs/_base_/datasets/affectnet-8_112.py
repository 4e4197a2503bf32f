# AffectNet as in affectnet-7_112.py with Contempt, the eighth class.
_base_ = 'affectnet-7_112.py'

num_classes = 8

data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=dict(dataset=dict(num_classes=num_classes)))
val_dataloader = dict(dataset=dict(num_classes=num_classes))
test_dataloader = dict(dataset=dict(num_classes=num_classes))
