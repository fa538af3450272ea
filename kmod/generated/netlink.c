// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/chring.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink.h"

#include <uapi/linux/chring.h>

/* Integer value ranges */
static const struct netlink_range_validation chring_a_service_device_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation chring_a_service_local_port_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation chring_a_service_payload_offset_range = {
	.max	= 65535ULL,
};

static const struct netlink_range_validation chring_a_service_slots_range = {
	.min	= CHRING_SLOTS_MIN,
	.max	= CHRING_SLOTS_MAX,
};

static const struct netlink_range_validation chring_a_service_grace_range = {
	.max	= CHRING_SECONDS_MAX,
};

static const struct netlink_range_validation chring_a_replica_ramp_range = {
	.max	= CHRING_SECONDS_MAX,
};

static const struct netlink_range_validation chring_a_replica_drain_range = {
	.max	= CHRING_SECONDS_MAX,
};

static const struct netlink_range_validation chring_a_lookup_remote_port_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation chring_a_lock_slots_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

/* Common nested types */
const struct nla_policy chring_replica_nl_policy[CHRING_A_REPLICA_GIVES + 1] = {
	[CHRING_A_REPLICA_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_REPLICA_FD] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_WEIGHT] = NLA_POLICY_RANGE(NLA_U32, 1, CHRING_WEIGHT_MAX),
	[CHRING_A_REPLICA_STATE] = NLA_POLICY_MAX(NLA_U32, 4),
	[CHRING_A_REPLICA_INODE] = { .type = NLA_UINT, },
	[CHRING_A_REPLICA_POINTS] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_SLOTS] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_PICKS] = { .type = NLA_UINT, },
	[CHRING_A_REPLICA_MIGRATED] = { .type = NLA_UINT, },
	[CHRING_A_REPLICA_PASSED_OVER] = { .type = NLA_UINT, },
	[CHRING_A_REPLICA_PIDFD] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_WATCHED] = { .type = NLA_FLAG, },
	[CHRING_A_REPLICA_RAMP] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_replica_ramp_range),
	[CHRING_A_REPLICA_REPLACE] = { .type = NLA_FLAG, },
	[CHRING_A_REPLICA_DRAIN] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_replica_drain_range),
	[CHRING_A_REPLICA_UP] = { .type = NLA_FLAG, },
	[CHRING_A_REPLICA_WEIGHT_THEN] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_SLOTS_THEN] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_TAKES] = { .type = NLA_U32, },
	[CHRING_A_REPLICA_GIVES] = { .type = NLA_U32, },
};

/* CHRING_CMD_SERVICE_NEW - do */
static const struct nla_policy chring_service_new_nl_policy[CHRING_A_SERVICE_OVERRIDE + 1] = {
	[CHRING_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_SERVICE_PROTOCOL] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_LOCAL_IPV4] = NLA_POLICY_EXACT_LEN(4),
	[CHRING_A_SERVICE_LOCAL_IPV6] = NLA_POLICY_EXACT_LEN(16),
	[CHRING_A_SERVICE_V6ONLY] = { .type = NLA_FLAG, },
	[CHRING_A_SERVICE_DEVICE] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_service_device_range),
	[CHRING_A_SERVICE_LOCAL_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_service_local_port_range),
	[CHRING_A_SERVICE_OWNER] = { .type = NLA_U32, },
	[CHRING_A_SERVICE_NONE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_OVERRIDE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_KEY] = NLA_POLICY_MAX(NLA_U32, 3),
	[CHRING_A_SERVICE_PREFIX_IPV4] = NLA_POLICY_RANGE(NLA_U32, 1, 32),
	[CHRING_A_SERVICE_PREFIX_IPV6] = NLA_POLICY_RANGE(NLA_U32, 1, 128),
	[CHRING_A_SERVICE_PAYLOAD_OFFSET] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_service_payload_offset_range),
	[CHRING_A_SERVICE_PAYLOAD_LENGTH] = NLA_POLICY_RANGE(NLA_U32, 1, CHRING_KEY_LENGTH_MAX),
	[CHRING_A_SERVICE_BALANCE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_VNODES] = NLA_POLICY_RANGE(NLA_U32, 1, CHRING_VNODES_MAX),
	[CHRING_A_SERVICE_SLOTS] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_service_slots_range),
	[CHRING_A_SERVICE_SEED] = NLA_POLICY_EXACT_LEN(16),
	[CHRING_A_SERVICE_GRACE] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_service_grace_range),
};

/* CHRING_CMD_SERVICE_SET - do */
static const struct nla_policy chring_service_set_nl_policy[CHRING_A_SERVICE_OVERRIDE + 1] = {
	[CHRING_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_SERVICE_OWNER] = { .type = NLA_U32, },
	[CHRING_A_SERVICE_NONE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_OVERRIDE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_BALANCE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_SERVICE_GRACE] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_service_grace_range),
};

/* CHRING_CMD_SERVICE_GET - do */
static const struct nla_policy chring_service_get_nl_policy[CHRING_A_SERVICE_NAME + 1] = {
	[CHRING_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
};

/* CHRING_CMD_SERVICE_DEL - do */
static const struct nla_policy chring_service_del_nl_policy[CHRING_A_SERVICE_NAME + 1] = {
	[CHRING_A_SERVICE_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
};

/* CHRING_CMD_REPLICA_NEW - do */
static const struct nla_policy chring_replica_new_nl_policy[CHRING_A_REPLICAS_REPLICA + 1] = {
	[CHRING_A_REPLICAS_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_REPLICAS_REPLICA] = NLA_POLICY_NESTED(chring_replica_nl_policy),
};

/* CHRING_CMD_REPLICA_SET - do */
static const struct nla_policy chring_replica_set_nl_policy[CHRING_A_REPLICAS_REPLICA + 1] = {
	[CHRING_A_REPLICAS_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_REPLICAS_REPLICA] = NLA_POLICY_NESTED(chring_replica_nl_policy),
};

/* CHRING_CMD_REPLICA_GET - do */
static const struct nla_policy chring_replica_get_do_nl_policy[CHRING_A_REPLICAS_REPLICA + 1] = {
	[CHRING_A_REPLICAS_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_REPLICAS_REPLICA] = NLA_POLICY_NESTED(chring_replica_nl_policy),
};

/* CHRING_CMD_REPLICA_GET - dump */
static const struct nla_policy chring_replica_get_dump_nl_policy[CHRING_A_REPLICAS_SERVICE + 1] = {
	[CHRING_A_REPLICAS_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
};

/* CHRING_CMD_REPLICA_DEL - do */
static const struct nla_policy chring_replica_del_nl_policy[CHRING_A_REPLICAS_REPLICA + 1] = {
	[CHRING_A_REPLICAS_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_REPLICAS_REPLICA] = NLA_POLICY_NESTED(chring_replica_nl_policy),
};

/* CHRING_CMD_REPLICA_PLAN - dump */
static const struct nla_policy chring_replica_plan_nl_policy[CHRING_A_REPLICAS_CHANGE + 1] = {
	[CHRING_A_REPLICAS_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_REPLICAS_CHANGE] = NLA_POLICY_MAX(NLA_U32, 2),
	[CHRING_A_REPLICAS_REPLICA] = NLA_POLICY_NESTED(chring_replica_nl_policy),
};

/* CHRING_CMD_LOOKUP - do */
static const struct nla_policy chring_lookup_nl_policy[CHRING_A_LOOKUP_PAYLOAD + 1] = {
	[CHRING_A_LOOKUP_SERVICE] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_LOOKUP_REMOTE_IPV4] = NLA_POLICY_EXACT_LEN(4),
	[CHRING_A_LOOKUP_REMOTE_IPV6] = NLA_POLICY_EXACT_LEN(16),
	[CHRING_A_LOOKUP_REMOTE_PORT] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_lookup_remote_port_range),
	[CHRING_A_LOOKUP_LOCAL_IPV4] = NLA_POLICY_EXACT_LEN(4),
	[CHRING_A_LOOKUP_LOCAL_IPV6] = NLA_POLICY_EXACT_LEN(16),
	[CHRING_A_LOOKUP_PAYLOAD] = { .type = NLA_BINARY, },
};

/* CHRING_CMD_LOCK_NEW - do */
static const struct nla_policy chring_lock_new_nl_policy[CHRING_A_LOCK_SLOTS + 1] = {
	[CHRING_A_LOCK_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_LOCK_MODE] = { .type = NLA_U32, },
	[CHRING_A_LOCK_UID] = { .type = NLA_U32, },
	[CHRING_A_LOCK_GID] = { .type = NLA_U32, },
	[CHRING_A_LOCK_DISCIPLINE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_LOCK_STRICT] = { .type = NLA_FLAG, },
	[CHRING_A_LOCK_STICKY] = { .type = NLA_FLAG, },
	[CHRING_A_LOCK_TTL_MS] = { .type = NLA_U32, },
	[CHRING_A_LOCK_EXPIRY] = NLA_POLICY_MAX(NLA_U32, 2),
	[CHRING_A_LOCK_EAGER] = { .type = NLA_FLAG, },
	[CHRING_A_LOCK_SLOTS] = NLA_POLICY_FULL_RANGE(NLA_U32, &chring_a_lock_slots_range),
};

/* CHRING_CMD_LOCK_SET - do */
static const struct nla_policy chring_lock_set_nl_policy[CHRING_A_LOCK_EXPIRY + 1] = {
	[CHRING_A_LOCK_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_LOCK_MODE] = { .type = NLA_U32, },
	[CHRING_A_LOCK_UID] = { .type = NLA_U32, },
	[CHRING_A_LOCK_GID] = { .type = NLA_U32, },
	[CHRING_A_LOCK_DISCIPLINE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CHRING_A_LOCK_TTL_MS] = { .type = NLA_U32, },
	[CHRING_A_LOCK_EXPIRY] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* CHRING_CMD_LOCK_GET - do */
static const struct nla_policy chring_lock_get_nl_policy[CHRING_A_LOCK_TOKEN + 1] = {
	[CHRING_A_LOCK_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
	[CHRING_A_LOCK_TOKEN] = { .type = NLA_UINT, },
};

/* CHRING_CMD_LOCK_DEL - do */
static const struct nla_policy chring_lock_del_nl_policy[CHRING_A_LOCK_NAME + 1] = {
	[CHRING_A_LOCK_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
};

/* CHRING_CMD_LOCK_BREAK - do */
static const struct nla_policy chring_lock_break_nl_policy[CHRING_A_LOCK_NAME + 1] = {
	[CHRING_A_LOCK_NAME] = { .type = NLA_NUL_STRING, .len = CHRING_NAME_MAX, },
};

/* Ops table for chring */
static const struct genl_split_ops chring_nl_ops[] = {
	{
		.cmd		= CHRING_CMD_SERVICE_NEW,
		.doit		= chring_nl_service_new_doit,
		.policy		= chring_service_new_nl_policy,
		.maxattr	= CHRING_A_SERVICE_OVERRIDE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_SERVICE_SET,
		.doit		= chring_nl_service_set_doit,
		.policy		= chring_service_set_nl_policy,
		.maxattr	= CHRING_A_SERVICE_OVERRIDE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_SERVICE_GET,
		.doit		= chring_nl_service_get_doit,
		.policy		= chring_service_get_nl_policy,
		.maxattr	= CHRING_A_SERVICE_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= CHRING_CMD_SERVICE_GET,
		.dumpit	= chring_nl_service_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= CHRING_CMD_SERVICE_DEL,
		.doit		= chring_nl_service_del_doit,
		.policy		= chring_service_del_nl_policy,
		.maxattr	= CHRING_A_SERVICE_NAME,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_REPLICA_NEW,
		.doit		= chring_nl_replica_new_doit,
		.policy		= chring_replica_new_nl_policy,
		.maxattr	= CHRING_A_REPLICAS_REPLICA,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_REPLICA_SET,
		.doit		= chring_nl_replica_set_doit,
		.policy		= chring_replica_set_nl_policy,
		.maxattr	= CHRING_A_REPLICAS_REPLICA,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_REPLICA_GET,
		.doit		= chring_nl_replica_get_doit,
		.policy		= chring_replica_get_do_nl_policy,
		.maxattr	= CHRING_A_REPLICAS_REPLICA,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_REPLICA_GET,
		.dumpit		= chring_nl_replica_get_dumpit,
		.policy		= chring_replica_get_dump_nl_policy,
		.maxattr	= CHRING_A_REPLICAS_SERVICE,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= CHRING_CMD_REPLICA_DEL,
		.doit		= chring_nl_replica_del_doit,
		.policy		= chring_replica_del_nl_policy,
		.maxattr	= CHRING_A_REPLICAS_REPLICA,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_REPLICA_PLAN,
		.start		= chring_nl_replica_plan_start,
		.dumpit		= chring_nl_replica_plan_dumpit,
		.done		= chring_nl_replica_plan_done,
		.policy		= chring_replica_plan_nl_policy,
		.maxattr	= CHRING_A_REPLICAS_CHANGE,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= CHRING_CMD_LOOKUP,
		.doit		= chring_nl_lookup_doit,
		.policy		= chring_lookup_nl_policy,
		.maxattr	= CHRING_A_LOOKUP_PAYLOAD,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_LOCK_NEW,
		.doit		= chring_nl_lock_new_doit,
		.policy		= chring_lock_new_nl_policy,
		.maxattr	= CHRING_A_LOCK_SLOTS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_LOCK_SET,
		.doit		= chring_nl_lock_set_doit,
		.policy		= chring_lock_set_nl_policy,
		.maxattr	= CHRING_A_LOCK_EXPIRY,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_LOCK_GET,
		.doit		= chring_nl_lock_get_doit,
		.policy		= chring_lock_get_nl_policy,
		.maxattr	= CHRING_A_LOCK_TOKEN,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= CHRING_CMD_LOCK_GET,
		.dumpit	= chring_nl_lock_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= CHRING_CMD_LOCK_DEL,
		.doit		= chring_nl_lock_del_doit,
		.policy		= chring_lock_del_nl_policy,
		.maxattr	= CHRING_A_LOCK_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= CHRING_CMD_LOCK_BREAK,
		.doit		= chring_nl_lock_break_doit,
		.policy		= chring_lock_break_nl_policy,
		.maxattr	= CHRING_A_LOCK_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group chring_nl_mcgrps[] = {
	[CHRING_NLGRP_SERVICES] = { "services", },
	[CHRING_NLGRP_LOCKS] = { "locks", GENL_MCAST_CAP_NET_ADMIN, },
};

struct genl_family chring_nl_family __ro_after_init = {
	.name		= CHRING_FAMILY_NAME,
	.version	= CHRING_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= chring_nl_ops,
	.n_split_ops	= ARRAY_SIZE(chring_nl_ops),
	.mcgrps		= chring_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(chring_nl_mcgrps),
};
