"""ServingCheck: what a model server will do with the exported model, before it is pushed.

    rows of the eval split, odd texts --clean_process--> answers, latency, memory
        --answers--> one by one = in batches = in this process
        --skew--> what Transform wrote = what the served model computes
        --checking--> verdict, always with reasons

`clean_process` runs by itself, in a process that has TensorFlow and none of our code.
"""
