"""The geometry of a solution: curvature, basin radii, straight lines and planes through weight space."""
