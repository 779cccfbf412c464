"""One host's memory virtualization stack: state, order of a tick, results."""
