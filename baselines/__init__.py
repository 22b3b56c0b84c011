"""The reference entries: codecs, cores and controls, plug-ins like any other."""
