"""Operator facts as data: what an operator of either framework does, and how one is made of others."""
