"""Programs that measure how fast lth is beside the programs people would use instead."""
