"""The parts of ``benchmarks/speed``: trees, the server and its line, the tools, measuring, reporting."""
