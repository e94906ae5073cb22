"""What stands between a job and the network: which addresses may be reached, over HTTP and for engines by a proxy."""
