# Table 5, S, "2 encoders": the first two of the three priors, for age.
_base_ = '../kt-adapter_swin-base-to-swin-base_1xb32-30e_utkface-224px.py'
model = dict(num_priors=2)
