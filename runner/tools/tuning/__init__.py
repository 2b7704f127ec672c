"""`tune`: the search for one point of a submission that is good everywhere."""
