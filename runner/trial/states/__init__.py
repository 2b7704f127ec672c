"""Parts of the states of training loops, and how checkpoints name them.

`containers` turns types and metadata of containers into JSON and back;
`same_code` compares what is not data. May import what `runner.trial` may.
"""
