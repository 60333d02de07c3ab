"""The deterministic runtime of the demo and the tests."""
