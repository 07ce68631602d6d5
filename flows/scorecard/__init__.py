"""What alerts were worth on recorded days: `orderflow scorecard`.

Tapes go through the operators (`recorded`), their alerts and those of simple rivals become events
(`events`, `rivals`), each is measured from the moment somebody could have acted (`study`,
`falls`, `exits`), beside random instants of the same half hour (`study.controls`), and every
mean comes with an interval that knows that alerts come in clusters (`inference`). `scores` makes
rows of it; `report` draws them.
"""
