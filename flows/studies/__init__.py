"""Studies: comparisons with statistics, one file each. `bitwright study NAME`."""
