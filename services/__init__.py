"""One folder per OS process, and the tools. The folder name is the program name."""
