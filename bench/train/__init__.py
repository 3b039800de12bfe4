"""Training: one loop for ANN and SNN alike."""
