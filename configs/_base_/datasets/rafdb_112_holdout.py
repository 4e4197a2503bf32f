# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
# RAF-DB with a validation split held out from the training list: 90 % of each class for training,
# 10 % for validation; the test list is only used by testing. Everything else as in rafdb_112.py.
_base_ = ['rafdb_112.py']

val_ratio = 0.1  # of each class; the same images on every machine

train_dataloader = dict(dataset=dict(dataset=dict(val_ratio=val_ratio)))
val_dataloader = dict(dataset=dict(split='val', val_ratio=val_ratio))
