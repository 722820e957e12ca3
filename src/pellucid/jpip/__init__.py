"""JPEG 2000 Interactive Protocol (ISO/IEC 15444-9) over the archive: precincts instead of whole pictures.

A codestream (JPEG 2000 or HTJ2K) is an index of packets: `codestream` reads it down to the code-blocks' bytes without
decoding, `partition` re-packs it into small precincts.
"""
