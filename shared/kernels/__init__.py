"""Compiled kernels: numbers in, numbers out, with equal results uncompiled."""
