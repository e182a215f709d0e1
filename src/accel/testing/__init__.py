"""The conformance kit: what every backend's tests are made of, installed with accel so that vendors can run it on
theirs."""
