"""The grounded model of the bundles: an InternVL vision tower and a Qwen2 decoder that speak, SAM 2 that draws.

Every size comes from `config.CONFIGS`; `export` writes the five graphs of any of them.
"""
