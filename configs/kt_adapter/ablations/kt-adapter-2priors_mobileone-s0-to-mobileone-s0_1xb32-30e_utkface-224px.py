# Table 5, M, "2 encoders": the first two of the three priors, for age.
_base_ = '../kt-adapter_mobileone-s0-to-mobileone-s0_1xb32-30e_utkface-224px.py'
model = dict(num_priors=2)
