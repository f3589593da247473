"""Authentication methods, one module each."""
