"""What a study consists of: places, jobs and the content keys of their results; plain values, no torch."""
