"""Measurements of this Linux host, made now: a short KSM run and a short swap run, laid out like measured runs.

Whatever is changed for it (the kernel's settings, a swap file, a control group) is undone by a process of its own, even
if this one is killed. Bounded: 384 MiB of memory, 192 MiB of disk, less than two minutes.
"""
