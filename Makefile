# Every step is one verb that a person can run: `make help` lists them.
#
# Beyond stable Rust the build needs one system package: g++, because the ZeroMQ bindings compile
# libzmq from source. `make setup` installs it where it can (root and apt) or names it.
# `make bench` also measures Python's multiprocessing where a python3 is installed.

CARGO ?= cargo
# On a build server nothing may change Cargo.lock.
LOCKED := $(if $(CI),--locked)
EVERYTHING := --workspace --all-features $(LOCKED)
# Arguments for the program that `make run`, `make bench` or `make prove` starts.
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## Lists the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# $(call package,COMMAND,PACKAGE,WHY): installs the Debian package that brings COMMAND, or says so.
define package
	@command -v $(1) >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing $(2): $(3)"; \
	    apt-get update -q && apt-get install -y -q --no-install-recommends $(2); \
	  else \
	    echo "$(2) is missing: $(3). Install it: sudo apt-get install $(2)" >&2; exit 1; \
	  fi; }
endef

.PHONY: setup
setup: ## Checks that what the build needs is there, and installs it when it can
	@command -v $(CARGO) >/dev/null || { \
	  echo "cargo is missing: install stable Rust from https://rustup.rs" >&2; exit 1; }
	$(call package,c++,g++,libzmq is compiled from source)

.PHONY: run
run: setup ## Builds everything, then runs the demonstration (ARGS="--workers 4")
	$(CARGO) build --release $(LOCKED) -p brigaded -p brigadectl -p brigade-worker
	$(CARGO) run --release --quiet $(LOCKED) -p brigaded -- demo $(ARGS)

.PHONY: test
test: check ## Runs every check and every test: unit, cross-process, documentation, examples
	$(CARGO) test $(EVERYTHING)

.PHONY: check
check: fmt clippy doc tidy ## Runs the checks that need no test: fmt, clippy, doc, tidy

.PHONY: fmt
fmt: ## Fails on code that is not formatted
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy: setup ## Fails on a compiler or clippy warning
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	$(CARGO) clippy $(EVERYTHING) --all-targets -- -D warnings

.PHONY: doc
doc: setup ## Builds the manual; fails on a missing or broken part
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(EVERYTHING) --no-deps

.PHONY: tidy
tidy: setup ## Fails on a broken rule of the house: floors, unsafe, file sizes, links
	$(CARGO) test $(EVERYTHING) --test tidy

.PHONY: prove
prove: setup ## Kills processes at every instruction and at random, and reports (ARGS="--storm 3600")
	$(CARGO) run --release $(LOCKED) -p brigade-proof -- $(ARGS)

.PHONY: bench
bench: setup ## Measures brigade beside its peers and prints the tables (takes minutes)
	$(CARGO) run --release $(LOCKED) -p brigade-bench -- $(ARGS)

# Building cargo-deny takes two minutes, so this is a verb of its own, which .ci/run calls too.
CARGO_DENY := cargo-deny@0.20.2

.PHONY: deny
deny: ## Checks licences, bans and sources of every dependency (installs cargo-deny once)
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked $(CARGO_DENY)
	$(CARGO) deny --all-features check bans licenses sources

.PHONY: advisories
advisories: ## Checks dependencies against the RustSec database (needs github.com)
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked $(CARGO_DENY)
	$(CARGO) deny --all-features check advisories
