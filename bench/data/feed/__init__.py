"""Batches on the device: loading and augmentation."""
