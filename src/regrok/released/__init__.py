"""The released bundle, results/released: what ships so that nobody has to train in order to check or redraw.

    results/released/
      README.md  dictionary.csv  SHA256SUMS     what each file and each column is; checksums of all other files
      <scale>/   runs, curves, experiments, spectra .parquet  probes/*.parquet
                 fits/*.json  computations/*.json  ledger.json  numbers.json  tables/*.csv  config.json  provenance.json

bundle.py reads it, fill.py makes it from a finished build, verify.py checks it, compare.py lays a retrained build
beside it.
"""
