"""Accounting rules: which accesses and operations a layer is charged for; one file each."""
