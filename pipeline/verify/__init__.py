"""`tokenline verify`: the invariance certificate, on the user's own model and data.

    subject    which run, model and files            (no TensorFlow)
    sample     raw rows, and the same rows as Transform wrote them
    model      the exported model, and its network with the exported weights
    batches    the contract in NumPy: rows, padding cut, added, changed
    case       all of that for one certificate: what the checks look at
    masking poison splitting one_number fused parity skew serving   the invariants: Case -> Checks
    measure    the loss under test, called on a case
    oracle     the same formulas in float64 NumPy, written independently of components.sequence_loss
    compare    numbers -> Check: largest deviation against what is allowed
    certificate, command    the table, certificate.json, certificate.md, the exit code

A check looks every function up when it runs, so what is certified is what the packages export.
"""
