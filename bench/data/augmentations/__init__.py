"""Augmentations, one class a file, found by name; `base` is the contract, `draws` where their lots come from."""
