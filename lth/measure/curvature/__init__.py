"""The Hessian of the training loss: products, leading eigenvalues, trace and spectral density."""
