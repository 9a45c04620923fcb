//! Box on this machine: a faithful server for tests, demos and benchmarks. Shares no code with the rest.
