# `make demo` and `make test` need only Python >= 3.10 with its venv module, git and make.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= auto
TESTS  ?= tests

BIN        := $(VENV)/bin
SETUP      := PYTHON=$(PYTHON) tools/misc/setup_venv.sh
CONFIG     := apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px
DEMO       := work_dirs/demo
DEMO_KT    := work_dirs/demo-kt
# -n: also warn about references without a target.
SPHINX     := -q -n --keep-going -c docs -d docs/_build/doctrees
# mim searches this path for an editable package.
export PYTHONPATH := $(CURDIR)

.PHONY: help demo demo-kt bench test coverage docs docs-links lint format wheel-check env clean clean-demo

help:
	@echo 'make demo         train, test and visualize a small APViT on drawn faces (about 7 minutes, 3 of them to install)'
	@echo 'make demo-kt      train small encoders of four facial tasks and a KT-Adapter'
	@echo 'make test         run the tests'
	@echo 'make coverage     run the tests and report line coverage'
	@echo 'make docs         build the documentation site in docs/_build/html; warnings are errors'
	@echo 'make docs-links   check all external links of the documentation'
	@echo 'make bench        measure the ratios of docs/speed.md: full-size models on this machine'
	@echo 'make lint         check style and formatting'
	@echo 'make wheel-check  build the wheel and train from it in a clean environment'
	@echo 'make clean        remove the environment and everything that these commands created'

env:
	@$(SETUP) $(VENV)

demo: env
	@printf '\n\033[1m[1/3] training %s\033[0m\n' $(CONFIG)
	$(BIN)/mim train mmfer $(CONFIG).py --work-dir $(DEMO) --resume
	@printf '\n\033[1m[2/3] testing\033[0m\n'
	$(BIN)/mim test mmfer $(CONFIG).py --checkpoint $(DEMO)/epoch_12.pth \
	    --work-dir $(DEMO) --out $(DEMO)/metrics.json --out-item metrics
	@printf '\n\033[1m[3/3] visualizing the patches that pooling kept\033[0m\n'
	$(BIN)/python tools/visualization/vis_pooling.py configs/apvit/$(CONFIG).py \
	    $(DEMO)/epoch_12.pth --num 12 --stages app --per-row 4 --out $(DEMO)/faces.png
	@$(BIN)/python tools/misc/demo_summary.py $(DEMO)

demo-kt: env
	$(BIN)/python -W ignore tools/reproduce.py 'kt-table3/M to M' --data synth --work-dir $(DEMO_KT)

bench: env
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tools/analysis_tools/regression_bench.py

test:
	@$(SETUP) $(VENV) requirements/tests.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal \
	    --durations=20 $(TESTS)

coverage:
	@$(SETUP) $(VENV) requirements/tests.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --maxprocesses 8 --dist worksteal \
	    --cov=mmfer --cov-report=term:skip-covered --cov-report=html:work_dirs/coverage $(TESTS)

docs:
	@$(SETUP) $(VENV) requirements/docs.txt
	$(BIN)/python -m sphinx $(SPHINX) -W -b html . docs/_build/html

docs-links:
	@$(SETUP) $(VENV) requirements/docs.txt
	$(BIN)/python -m sphinx $(SPHINX) -b linkcheck . docs/_build/links

lint:
	@$(SETUP) $(VENV) requirements/tests.txt
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format:
	@$(SETUP) $(VENV) requirements/tests.txt
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel-check:
	@$(SETUP) $(VENV) requirements/tests.txt
	VENV=$(VENV) PYTHONPATH= tools/misc/check_wheel.sh $(CONFIG).py

clean-demo:
	rm -rf $(DEMO) $(DEMO_KT)

clean: clean-demo
	rm -rf $(VENV) .wheelcheck build dist docs/_build docs/api/generated *.egg-info mmfer/.mim .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
