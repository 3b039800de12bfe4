"""What a suite may say: read, checked, expanded. No torch."""
