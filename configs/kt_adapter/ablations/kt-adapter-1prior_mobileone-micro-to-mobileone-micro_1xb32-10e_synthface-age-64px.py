# Table 5, M, "1 encoder": the first of the three priors only, for age.
_base_ = '../kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px.py'
model = dict(num_priors=1)
