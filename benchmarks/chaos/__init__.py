"""Live runs under random faults and kills, on a tape with known alerts: none lost, none twice.

`python -m benchmarks.chaos --runs 200 --seed 1` plays a tape to `orderflow run` through the mock,
once a seed, while the feed breaks in 3 to 10 ways and the process is killed and started again.
"""
