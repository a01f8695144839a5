"""How a value travels: its envelope, its codecs, its signature, and who may decode it.

``form`` is the shape alone and is shared with the server, so this module imports nothing.
"""
