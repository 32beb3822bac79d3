"""The service: a pure core, an engine, thin stages, and one place that wires them.

`core` decides, `engine` moves batches exactly once, `wire` turns bytes into values and
back, `agents` hold one stage a file, `app` wires them, `worker` runs an app, `cli` is
what people type, `sandbox` is a whole shop on one machine.
"""
