"""Side-by-side measurements: ratios within one run, medians of interleaved rounds.

Threads of the libraries measured here (OpenBLAS, OpenMP) are told not to spin while they wait: for tens of milliseconds
after a call they would share a core with whatever takes its turn next.
"""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # as a power of two of clock cycles; 26 without
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
