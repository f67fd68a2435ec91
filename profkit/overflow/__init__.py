"""Which operator made the first NaN or Inf, and how it spread."""
