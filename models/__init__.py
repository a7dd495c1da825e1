"""The embedded model family: weights, cards and the recipe that made them."""
