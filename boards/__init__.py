"""What the boards offer: one YAML each, read by boards/loader.py."""
