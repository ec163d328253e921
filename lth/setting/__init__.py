"""How users write things, one frozen record a stage, and the named settings; plain values, no torch."""
