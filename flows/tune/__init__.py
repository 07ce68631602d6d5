"""What other thresholds would have given: `orderflow tune`.

A tape is replayed once. What no setting of a grid could fire on is left out (`condense`), so
that the rules themselves can be run over the little that is left, once for each setting
(`evaluate`). What followed each print is looked up once (`worth`), days are kept so that a
second run goes on where the first stopped (`days`), and a choice made on the earlier days is
reported on the later ones only (`choose`).
"""
