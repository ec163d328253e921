"""A trial of a user's own network before any work: all that a study will do with it, once, on a few images."""
