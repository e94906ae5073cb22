"""The parts of `file.download`: talking to aria2, following a download, what its codes mean, where files lie."""
