"""Helpers of the end-to-end tests and the benchmarks: servers, clients, browsers, faults and reference readers."""
