"""The perturbation test on encoded inputs: what is removed, and what the model says then (ICCV 2021, section 5.1)."""
