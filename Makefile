# A thin way into Meson. `make`, `make demo`, `make demo-mach` and `make test` first install, through
# apt, what is missing on Debian, and say so.
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
# Where the bench writes: what is measured is the file system of this folder.
BENCH_FOLDER ?= /var/tmp
BENCH_RUNS ?= 11
# Which rows; all without: selectors core pauses gibibyte restore growth peer mach.
BENCH_ROWS ?=

# Targets share the build folder.
.NOTPARALLEL:
.PHONY: all demo demo-mach test bench install coverage fresh fuzz lint format clean foc test-foc

all:
	@scripts/install-packages build
	@scripts/build $(BUILD)

demo:
	@scripts/install-packages build demo
	@scripts/build $(BUILD)
	@scripts/demo $(BUILD)/cli/recap

demo-mach:
	@scripts/install-packages build mach
	@scripts/build $(BUILD) -Dmach=enabled
	@scripts/demo-mach $(BUILD)/cli/recap $(BUILD)/kernel/mach

test:
	@scripts/install-packages build demo test
	@if scripts/install-packages mach && command -v i686-gnu-mig >/dev/null; then \
		scripts/build $(BUILD) -Dtests=enabled -Dmach=enabled; \
	else \
		echo "without the packages for it the tests on GNU Mach are left out"; \
		scripts/build $(BUILD) -Dtests=enabled; \
	fi
	@scripts/run-tests $(BUILD)

bench: all
	$(BUILD)/bench/recap-bench $(BUILD)/cli/recap $(BUILD)/bench/recap-bench-target $(BENCH_FOLDER) $(BENCH_RUNS) $(BENCH_ROWS)

# Fiasco.OC: L4DIR=SOURCES O=BUILD name the user's own L4Re, FIASCO=IMAGE the kernel.
foc:
	@scripts/foc build

test-foc: all
	@scripts/foc test $(BUILD)

install: all
	meson configure $(BUILD) --prefix $(PREFIX)
	meson install -C $(BUILD)

coverage:
	@scripts/install-packages build demo test coverage
	@scripts/run-coverage $(BUILD)-coverage

# As root: `make demo` and `make test` in a fresh Debian 12 that it makes, of what is committed here.
fresh:
	@scripts/install-packages fresh
	@scripts/fresh

fuzz:
	@scripts/install-packages build lint
	@scripts/run-fuzz $(BUILD)-fuzz $(FUZZ_SECONDS)

lint:
	@scripts/install-packages build test lint
	@scripts/run-lint $(BUILD)

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD) $(BUILD)-fuzz $(BUILD)-sanitize $(BUILD)-coverage
