"""The paper venue: matching against the real book, for the broker and for shadow versions alike. Pure."""
