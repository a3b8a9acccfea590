"""The path of every paid call: `quoting` prepares and prices it, `spending` opens and settles its turn, `receiving`
sends it, `keeping` saves what comes back.

`looking` reads what there is, and spends nothing.
"""
