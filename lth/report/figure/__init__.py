"""Figures of frozen results: each module holds one function from results to a matplotlib `Figure`.

No function reads or changes matplotlib's global state, so figures can be drawn in any thread and saved with
`figure.savefig(path)`.
"""
