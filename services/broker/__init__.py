"""Execution: the paper venue, the send gate and the kill latch."""
