"""One room a kind of measurement: how it is taken, stored, read back and put into numbers."""
