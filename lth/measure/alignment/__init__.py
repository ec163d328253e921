"""Two solutions of one network brought together: units of one matched to those of the other, and permuted."""
