# SPDX-License-Identifier: GPL-2.0

# The kernel to build for: the newest installed headers.
KDIR ?= $(shell for dir in /lib/modules/*/build; do \
		[ ! -d "$$dir" ] || echo "$$dir"; \
	done | sort -V | tail -n 1)
PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR

build := $(CURDIR)/build

.PHONY: all
all: module userspace

.PHONY: help
help:
	@echo 'make                  module, libchring and chringctl'
	@echo 'make demo             shows what chring does, in a virtual machine'
	@echo 'make check            every test, on an installed kernel in a virtual machine'
	@echo 'make check-debug      the tests on a debug kernel (KASAN, lockdep, kmemleak)'
	@echo 'make soak             1,000 restarts of servers under load (SOAK=RESTARTS)'
	@echo 'make bench            what steering costs, in instructions'
	@echo 'make bench-ring       what moves as replicas come and go, beside peers'
	@echo 'make bench-changes    latency of a stream while replicas change'
	@echo 'make bench-lock       locks beside others (BENCH="PART...", see tests/bench/lock)'
	@echo 'make style            static checks only'
	@echo 'make generate         makes the netlink code from its specification'
	@echo 'make edges            makes the table in Documentation/edges.rst'
	@echo 'make install          libchring and chringctl (PREFIX=$(PREFIX), DESTDIR)'
	@echo 'make modules_install  the module (DESTDIR)'
	@echo 'make clean'
	@echo
	@echo 'KDIR selects the kernel: $(or $(KDIR),none is installed)'
	@echo 'demo and check install what they need on Debian 12 (tests/setup).'

# ---- what is built

# Kbuild says itself what it does without KDIR, but not in one line.
.PHONY: kdir
kdir:
	@[ -e "$(KDIR)/Makefile" ] || { \
		echo 'no kernel headers: run tests/setup build, or give KDIR' >&2; \
		exit 1; }
	@release=$$($(MAKE) -s --no-print-directory -C "$(KDIR)" \
		kernelrelease) && \
		printf '6.12\n%s\n' "$$release" | sort -VC || { \
		echo "chring needs Linux 6.12 or later, KDIR is $$release" >&2; \
		exit 1; }

.PHONY: module
module: kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

.PHONY: userspace
userspace:
	$(MAKE) -C userspace

# The module for the debug kernel, in a copy beside which that in place stays.
.PHONY: debug
debug: userspace
	kdir=$$(tests/vm/kernel --kdir debug) && \
	mkdir -p $(build)/debug && \
	rsync -a --delete --exclude='*.o' --exclude='*.ko' --exclude='*.mod*' \
		--exclude='.*.cmd' --exclude=modules.order --exclude=Module.symvers \
		Kbuild kmod $(build)/debug/ && \
	$(MAKE) -C "$$kdir" M=$(build)/debug CHRING_DEBUG=1 modules

.PHONY: generate
generate:
	Documentation/netlink/generate

# Writes the table of Documentation/edges.rst as the tests see it.
.PHONY: edges
edges:
	tests/setup build vm check
	$(MAKE) all
	$(MAKE) -C tests/selftests runner \
		INSTALL_PATH=$(build)/selftests/chring
	tests/vm/run -t 900 bash -c 'insmod kmod/chring.ko && \
		build/selftests/chring/edges.py --write Documentation/edges.rst'

.PHONY: install
install: userspace
	$(MAKE) -C userspace install

.PHONY: modules_install
modules_install: module
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) modules_install

# ---- what is run

.PHONY: demo
demo:
	tests/setup build vm demo
	$(MAKE) all
	tests/demo/run

.PHONY: check
check:
	tests/setup build vm check demo lint
	tests/check

.PHONY: check-debug
check-debug:
	tests/setup build vm check debug
	tests/check --debug

.PHONY: soak
soak:
	tests/setup build vm check
	$(MAKE) all
	$(MAKE) -s -C tests/selftests runner INSTALL_PATH=$(build)/selftests/chring
	tests/soak $(SOAK)

.PHONY: bench
bench:
	tests/setup build vm
	$(MAKE) all
	tests/bench/steer

# No virtual machine: the module's own code, compiled for the host.
.PHONY: bench-ring
bench-ring:
	tests/setup build bench
	$(MAKE) -s -C tests/ring bench COST=$(build)/bench-ring-cost.json
	$(MAKE) -s -C tests/ring disruption JSON=$(build)/bench-ring.json

.PHONY: bench-changes
bench-changes:
	tests/setup build vm
	$(MAKE) all
	tests/bench/changes

.PHONY: bench-lock
bench-lock:
	tests/setup build vm bench
	$(MAKE) all
	tests/bench/lock $(BENCH)

.PHONY: style
style:
	tests/setup build check lint
	tests/lint

.PHONY: clean
clean:
	[ ! -e "$(KDIR)/Makefile" ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C userspace clean
	rm -rf $(build)
