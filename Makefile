# `make demo` shows everything, `make test` and `make slow` check everything. Each installs what it needs first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PINNED := setup.cfg pyproject.toml constraints.txt scripts/install

.PHONY: demo test slow lint clean

demo: $(VENV)/.runs
	@BIN=$(BIN) scripts/demo

test: $(VENV)/.develops
	@BIN=$(BIN) scripts/test -m "not slow"

slow: $(VENV)/.develops
	@BIN=$(BIN) scripts/test -m slow

lint: $(VENV)/.develops
	@BIN=$(BIN) scripts/lint

$(VENV)/.runs: $(PINNED)
	@PYTHON=$(PYTHON) VENV=$(VENV) EXTRAS=train,text,evaluation scripts/install
	@touch $@

$(VENV)/.develops: $(PINNED)
	@PYTHON=$(PYTHON) VENV=$(VENV) EXTRAS=dev scripts/install
	@touch $@ $(VENV)/.runs

clean:
	rm -rf $(VENV) demo
