"""The engine: pure functions and values that match, render, place and explain, one pod at a time.

Nothing here does I/O, logs, counts or looks at a clock; what happened is in the values that come back.
"""
