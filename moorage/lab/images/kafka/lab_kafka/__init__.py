"""The broker that the lab plays Kafka with, and its programs."""
