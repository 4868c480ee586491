"""Numbers and tensors made into pictures."""
