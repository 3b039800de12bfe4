"""Report formats: one document, several writers."""
