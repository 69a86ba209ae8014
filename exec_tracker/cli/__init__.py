"""The command line `exec-tracker`; needs the extra `cli`."""
