"""Proofs that take long: each module is one, run by ``make prove``; what any of them finds fails the whole."""
