# Two commands: `make demo` shows everything, `make test` checks everything. Both install what they need first.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	@BIN=$(BIN) scripts/demo

test: $(VENV)/.installed
	@BIN=$(BIN) scripts/test

lint: $(VENV)/.installed
	@BIN=$(BIN) scripts/lint

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt scripts/install
	@PYTHON=$(PYTHON) VENV=$(VENV) scripts/install
	@touch $@

clean:
	rm -rf $(VENV) demo
