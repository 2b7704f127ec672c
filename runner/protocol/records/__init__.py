"""Records that processes write for each other, as types: events, requests.

What a line, a file or a message holds is parsed here once, where it enters, and
travels as an object from there. May import `runner.protocol`, nothing else.
"""
