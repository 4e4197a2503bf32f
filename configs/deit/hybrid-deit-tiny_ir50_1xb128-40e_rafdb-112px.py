# Hybrid-DeiT-Tiny on RAF-DB: 90.91 % with 6.72 GFLOPs (Table 14).
_base_ = [
    '../_base_/models/hybrid-deit-tiny_ir50.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]
