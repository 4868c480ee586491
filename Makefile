PYTHON ?= python3
BIN := .venv/bin
# The versions to install, in a .venv that isn't there yet: or build/oldest.txt, or build/newest.txt.
CONSTRAINTS ?= constraints.txt
# Where to take torch from, in place of pip's own choice: an address for pip's --index-url.
TORCH_INDEX ?=
# Colab's Python where there is one, on the PATH or pyenv's: `make colab` does with $(PYTHON) where there is none.
COLAB_PYTHON ?= $(shell for each in python3.13 "$$(pyenv prefix 3.13)/bin/python"; do \
	"$$each" -c 'import ensurepip, sys; print(sys.executable)' && break; done 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab test notebooks site slides worksheets colab bench links clean

help: ## list these targets
	@sed -n 's/^\([A-Za-z0-9_-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

lab: .venv/.installed ## open JupyterLab at your own copies of the lessons, with LAB="--no-browser --port=8890" or other options of its own
	$(BIN)/python tools/lab.py $(LAB)

# Files of tests side by side, in the order of their names: else those of few tests come last, of which some take
# longest. Each worker may have a browser, a server and kernels.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Types are checked with the versions that were tested: others declare others.
test: .venv/.installed .venv/.site .venv/axe/.installed ## every check: style, types, unit and browser tests, the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(filter constraints.txt,$(CONSTRAINTS)),$(BIN)/mypy)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --nbval --nbval-sanitize-with tests/sanitize.cfg notebooks

notebooks: .venv/.installed ## run all notebooks, or NOTEBOOKS="…", in fresh kernels and store their outputs
	$(BIN)/python tools/notebooks.py $(NOTEBOOKS)

site: .venv/.site ## the course as pages that need neither Python nor a network, slides included, in build/site
	$(BIN)/python tools/pages.py

slides: .venv/.site ## the slides alone, in build/site
	$(BIN)/python tools/slides.py

SEED ?= 1
worksheets: .venv/.installed ## a sheet and its key for each lesson, to be printed, in build/worksheets/; other numbers with SEED=2
	$(BIN)/python tools/worksheets.py "$(SEED)"

# Without what needs a browser or make, which `make test` has tried, and without all states of all explorers, whose
# drawing takes longer than all the rest.
colab: .venv/colab/.installed ## run all lessons, or NOTEBOOKS="…", from their own first cell, and the unit tests, with what Colab has
	.venv/colab/bin/python tools/colab.py $(NOTEBOOKS)
	.venv/colab/bin/python -m pytest $(SIDE_BY_SIDE) $$(grep -L 'from browser import' tests/test_*.py | grep -v test_states)

# The peers are installed only for a part that asks them.
ASK_PEERS := $(if $(PARTS),$(filter reach cost,$(PARTS)),all)
bench: .venv/.installed $(if $(ASK_PEERS),.venv/peers/.installed) ## measure speed and memory, all or PARTS="steps cost"
	$(BIN)/python tools/bench.py $(PARTS)

links: ## point every link at your repository: make links REPO=owner/name BRANCH=main, or as git says
	$(PYTHON) tools/links.py "$(REPO)" "$(BRANCH)"

clean: ## remove .venv and everything else that a command made, but not your copies of the lessons
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

.venv/.installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(call take-torch,$(BIN),$(CONSTRAINTS))
	$(BIN)/python -m pip install -q -c $(CONSTRAINTS) -e '.[lab,test]'
	$(BIN)/python -m convlab_jupyter
	touch $@

# $(call take-torch,where python is,constraints): torch before all that asks for it, if TORCH_INDEX says from where.
take-torch = $(if $(TORCH_INDEX),$1/python -m pip install -q --index-url '$(TORCH_INDEX)' $(or $(shell grep '^torch==' $2),torch))

build/oldest.txt build/newest.txt build/colab.txt: build/%.txt: pyproject.toml constraints.txt tools/constraints.py
	mkdir -p build
	$(PYTHON) tools/constraints.py $* > $@

# What makes pages of the lessons.
.venv/.site: .venv/.installed
	$(BIN)/python -m pip install -q -c $(CONSTRAINTS) -e '.[site]'
	touch $@

# A second environment, with Colab's Python or, where that is not there or gets no torch, with the one of all the rest.
.venv/colab/.installed: pyproject.toml build/colab.txt
	@for each in $(COLAB_PYTHON) $(PYTHON); do \
	    rm -rf .venv/colab; \
	    { $$each -m venv .venv/colab && $(or $(call take-torch,.venv/colab/bin,build/colab.txt),true) && \
	      .venv/colab/bin/python -m pip install -q -c build/colab.txt -e '.[test]' && touch $@; } && break; \
	    echo "What Colab has can't be installed for $$each."; \
	done; test -e $@ || exit 1
	$(if $(COLAB_PYTHON),,@echo "There is no Python 3.13 here, as Colab has: $(PYTHON) takes its place.")

# axe-core, which finds what keeps people out of a page. It is read as a file, so conda does without the package.
AXE := axe-playwright-python==0.1.8
.venv/axe/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/axe $(AXE)
	touch $@

# What the benchmark compares with, and what that needs, apart: no test sees it, and no other torch comes.
PEERS := fvcore torchinfo torchlens
PEERS_NEED := graphviz iopath portalocker safetensors tabulate termcolor tqdm yacs
.venv/peers/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/peers -c $(CONSTRAINTS) $(PEERS) $(PEERS_NEED)
	touch $@
