# k and r decay over training from no pooling to (160, .9): 91.46 % (Table 4).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'

default_hooks = dict(pooling_decay=dict(type='PoolingDecayHook'))
