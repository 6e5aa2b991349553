"""Seal the content of chosen paths on this machine, so that only the holders of an identity can read it elsewhere.

::

    rules        which paths: pacha.seal
    recipients   for whom: the file of pacha.seal.to, this machine's own word, never taken from a master
    age          the cryptography, all of it pyrage's (the extra pacha[seal]); nothing else imports it
    envelope     what is sealed: the secret attributes of a file, then its content
    keys         the key of the digests (files.keyed), itself sealed for the recipients beside pacha.db
    sealer       these together, for a push
    opener       these together, for whoever has an identity
    readable     secrets that are in the clear, to be named

This folder knows neither snapshots nor masters.
"""
