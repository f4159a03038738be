# make run    start the system on conf/ and say what to do next
# make test   everything that must never break: format, lint, types, layers, tests, real phones (≤ 20 minutes)
# make bench  measure, and write bench/RESULTS.md
# make prove  what takes long: the native engine under sanitizers, ten minutes of a busy floor, two hundred kills

.DELETE_ON_ERROR:
VENV := .venv
BIN := $(VENV)/bin
CONF ?= conf
# Debian's own interpreter is 15–25 % faster than an unoptimised build of the same version.
PYTHON ?= $(shell for p in /usr/bin/python3 python3; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
NATIVE := $(wildcard src/pbx/*.pyx src/pbx/native/*.pyx src/pbx/native/*.pxd src/pbx/sip/*.py src/pbx/sip/*.pxd \
    src/pbx/sdp/*.py src/pbx/sdp/*.pxd src/pbx/signaling/*.pyx)
RUN_PACKAGES := gcc libc6-dev python3 python3-venv python3-dev
TEST_PACKAGES := $(RUN_PACKAGES) fail2ban tmux baresip-core sip-tester sipsak sox tcpdump iproute2 iptables util-linux procps

.PHONY: run test gate bench prove build clean packages test-packages

run: $(VENV)/.installed
	@$(BIN)/pbx serve -c $(CONF) --hints

packages:
	@.ci/need $(RUN_PACKAGES)

test-packages:
	@.ci/need $(TEST_PACKAGES)

# Only what a server needs; quick when nothing changed.
$(VENV)/.installed: pyproject.toml setup.py $(NATIVE)
	@[ -x $(BIN)/python ] || $(MAKE) --no-print-directory packages
	@[ -x $(BIN)/python ] || { p="$(PYTHON)"; $${p:-/usr/bin/python3} -m venv $(VENV); }
	@echo "building pbx (once; a minute or two) …"
	@$(BIN)/pip install -q --disable-pip-version-check 'setuptools>=77' 'cython>=3.0.11' wheel
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@$(MAKE) --no-print-directory test-packages
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e '.[dev,webrtc]'
	@[ -x $(VENV)/clients/bin/python ] || $(BIN)/python -m venv $(VENV)/clients
	@$(VENV)/clients/bin/pip install -q --disable-pip-version-check 'pyVoIP==1.6.8' 'sipvicious==0.3.8' \
	    'audioop-lts; python_version >= "3.13"'
	@touch $@

gate: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Interop tests make network namespaces: as root, or as root of a user namespace.
test: gate
	@if [ "$$(id -u)" = 0 ]; then $(BIN)/python -m pytest -q; \
	else unshare --map-root-user $(BIN)/python -m pytest -q; fi

bench: $(VENV)/.tested
	$(BIN)/python -m bench

prove: $(VENV)/.tested
	$(BIN)/python -m bench.prove

build: $(VENV)/.tested
	$(BIN)/python -m build

clean:
	rm -rf build dist src/pbx/*.so src/pbx/native/*.so src/pbx/native/*.c src/pbx/s*/*.c src/pbx/s*/*.so src/pbx/_mix.c $(VENV)
