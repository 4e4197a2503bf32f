# Table 5, M, "2 encoders": the first two of the three priors, for age.
_base_ = '../kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px.py'
model = dict(num_priors=2)
