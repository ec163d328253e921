"""Trained solutions: how each starts, what it holds, how it is stored and gone on from."""
