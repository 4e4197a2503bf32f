# Table 5, C, "1 encoder": the first of the three priors only, for age.
_base_ = '../kt-adapter_convnext-v2-base-to-convnext-v2-base_1xb32-30e_utkface-224px.py'
model = dict(num_priors=1)
