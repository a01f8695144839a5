"""Who may do what: tokens and their file, the guard at the door, sessions of the pages, the audit log.

Nothing here knows HTTP's parts beyond a header field, nor a storage's technology. No token, and nothing that
could pass for one, is kept, logged or put into an answer.
"""
