"""The tiny base of offline runs: its model and the documents that it is pretrained on."""
