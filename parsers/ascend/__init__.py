"""Readers of Ascend profiling runs, of MindSpore and of torch_npu: text tables, traces, databases."""
