# Every target is a thin name for a cargo call or for a script in tools/.
# The control plane the tests run on is built once: see tests/control-plane/build.

# Cases of each property test in `make soak`; `make test` takes proptest's default. And histories: docs/simulation.md.
SOAK_CASES ?= 20000
SOAK_HISTORIES ?= 100000

.PHONY: build test bench soak charm fmt clean

build:
	cargo build --release --locked

test:
	tools/test

bench:
	cargo build --release --locked --example hook-tool
	tools/with-control-plane cargo bench --locked

# A plain cargo test passes the histories over: Cargo.toml.
soak:
	PROPTEST_CASES=$(SOAK_CASES) tools/with-control-plane cargo test --locked --release
	HISTORIES=$(SOAK_HISTORIES) cargo test --locked --profile histories --test histories

charm:
	tools/charm

fmt:
	cargo fmt

clean:
	cargo clean
	rm -rf overlay parts prime stage
	rm -f calico_*.charm
