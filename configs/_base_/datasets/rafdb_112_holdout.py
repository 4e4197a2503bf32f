# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
# RAF-DB with a validation part that is taken from the training list: 90 % of each class train, 10 %
# validate, and the test list is looked at once, by testing. Everything else as in rafdb_112.py.
_base_ = ['rafdb_112.py']

val_ratio = 0.1  # of each class; the same images on every machine

train_dataloader = dict(dataset=dict(dataset=dict(val_ratio=val_ratio)))
val_dataloader = dict(dataset=dict(split='val', val_ratio=val_ratio))
