"""Plays the servers and applications of a stack that cannot be had: strict about paths, methods, keys and bodies."""
