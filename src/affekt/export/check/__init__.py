"""What an export has kept of the network: agreement, recordings and the out-of-domain figures."""
