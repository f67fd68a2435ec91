"""The shared compare core: how far two sets of tensors are from each other, and what that means."""
