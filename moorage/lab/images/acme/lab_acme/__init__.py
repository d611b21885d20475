"""The lab's ACME server: Pebble, and a front that can be told to misbehave."""
