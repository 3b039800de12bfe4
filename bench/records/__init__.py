"""What was counted and what a run leaves. No torch."""
