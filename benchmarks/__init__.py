"""Benchmarks: how fast the server is, as ratios against an echo on the same server. `python -m benchmarks`, or `make bench`.

material    reviews, templates and meshes        load       the client: TLS, keep-alive, one request at a time a connection
subjects    what is measured, as ASGI apps       measure    rounds, medians and spreads
process     a subject in a process of its own    table      what is printed and written
inside      what is measured without a server
"""
