"""Networks from and to NIR, the Neuromorphic Intermediate Representation (Pedersen et al. 2024): `bench.from_nir`."""
