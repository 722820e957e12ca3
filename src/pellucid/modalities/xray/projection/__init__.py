"""Ray-driven projection (Joseph) and pixel-driven back-projection: the hot loops, bare arrays in and out.

All keep many images innermost ("lanes"): slices, and copies of a slice turned and mirrored so that one computed
ray serves up to eight views. The innermost loop is then contiguous and needs no gather.
"""
