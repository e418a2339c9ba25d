"""LiteRT from Python (pip install ai-edge-litert), asked by tflite.ts: litert_peer.py MODEL THREADS.

Reads lines of JSON, {"signature": "embed_16" or null, "calls": 8}, and answers each with the milliseconds of every call, copies of
inputs and outputs included. Inputs are filled with ones.
"""

import json
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(model_path=sys.argv[1], num_threads=int(sys.argv[2]))


def plain():
    """A call of a file without signatures."""
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    outputs = [each["index"] for each in interpreter.get_output_details()]
    ones = [np.ones(each["shape"], each["dtype"]) for each in inputs]

    def call():
        for each, values in zip(inputs, ones):
            interpreter.set_tensor(each["index"], values)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return call


def signature(name):
    runner = interpreter.get_signature_runner(name)
    ones = {key: np.ones(each["shape"], each["dtype"]) for key, each in runner.get_input_details().items()}
    return lambda: runner(**ones)


calls = {}
for line in sys.stdin:
    wanted = json.loads(line)
    key = wanted["signature"]
    if key not in calls:
        calls[key] = signature(key) if key else plain()
    calls[key]()
    times = []
    for _ in range(wanted["calls"]):
        start = time.perf_counter()
        calls[key]()
        times.append((time.perf_counter() - start) * 1000)
    print(json.dumps(times), flush=True)
