// SPDX-License-Identifier: GPL-2.0
/* See sk_lookup.h. By hand: there is no need of a compiler for twenty lines. */
#include <err.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sk_lookup.h"

#define INSN(op, dst, src, offset, number)				\
	((struct bpf_insn) {						\
		.code = op, .dst_reg = dst, .src_reg = src,		\
		.off = offset, .imm = number,				\
	})
#define MOV(dst, src)	INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define SET(dst, number) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, number)
#define CALL(helper)	INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define EXIT()		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define SKIP_IF_NOT(dst, number, insns)					\
	INSN(BPF_JMP | BPF_JNE | BPF_K, dst, 0, insns, number)

static int call_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	int ret = syscall(__NR_bpf, command, attr, sizeof(*attr));

	if (ret < 0)
		err(1, "bpf command %d", command);
	return ret;
}

static int map_of(int sock)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4,
		.value_size = 8, .max_entries = 1,
	};
	uint64_t value = sock;
	uint32_t key = 0;
	union bpf_attr entry = {
		.map_fd = call_bpf(BPF_MAP_CREATE, &map), .key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};

	call_bpf(BPF_MAP_UPDATE_ELEM, &entry);
	return entry.map_fd;
}

static int program(uint16_t port, int map, bool group)
{
	struct bpf_insn insns[] = {
		MOV(BPF_REG_6, BPF_REG_1),
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_6,
		     offsetof(struct bpf_sk_lookup, local_port), 0),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, 2, port),
		SET(BPF_REG_0, SK_PASS),
		EXIT(),
		/* The socket: the only element of the map */
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD,
		     0, map),
		INSN(0, 0, 0, 0, 0),
		MOV(BPF_REG_2, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		CALL(map_lookup_elem),
		SKIP_IF_NOT(BPF_REG_0, 0, 1),
		EXIT(),
		MOV(BPF_REG_7, BPF_REG_0),
		MOV(BPF_REG_1, BPF_REG_6),
		MOV(BPF_REG_2, BPF_REG_7),
		SET(BPF_REG_3, group ? 0 : BPF_SK_LOOKUP_F_NO_REUSEPORT),
		CALL(sk_assign),
		MOV(BPF_REG_8, BPF_REG_0),
		MOV(BPF_REG_1, BPF_REG_7),
		CALL(sk_release),
		SET(BPF_REG_0, SK_DROP),
		SKIP_IF_NOT(BPF_REG_8, 0, 1),
		SET(BPF_REG_0, SK_PASS),
		EXIT(),
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(struct bpf_insn),
		.license = (uintptr_t)"GPL",
	};

	return call_bpf(BPF_PROG_LOAD, &load);
}

void sk_lookup_attach(uint16_t port, int fd, bool group)
{
	union bpf_attr link = {
		.link_create = {
			.prog_fd = program(port, map_of(fd), group),
			.target_fd = open("/proc/self/ns/net",
					  O_RDONLY | O_CLOEXEC),
			.attach_type = BPF_SK_LOOKUP,
		},
	};

	call_bpf(BPF_LINK_CREATE, &link);
	close(link.link_create.target_fd);
}
