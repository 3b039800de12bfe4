"""What weights go through before inputs meet them, one class a file, found by name; `base` is the contract."""
