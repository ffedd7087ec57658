"""Hosts' limits in one place for workers on any number of machines: a coordinator beside the driver, asked by them."""
