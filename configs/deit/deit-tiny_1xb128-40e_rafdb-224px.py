# DeiT-Tiny on RAF-DB: 85.72 % with 1.26 GFLOPs (Table 14).
_base_ = [
    '../_base_/models/deit-tiny.py',
    '../_base_/datasets/rafdb_224.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]
