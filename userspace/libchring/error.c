// SPDX-License-Identifier: LGPL-2.1-or-later
/* The one place that turns what the kernel and libnl say into our errors. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/genl/genl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

/* An attribute set of the specification: @nest, if any, holds @nested. */
struct attr_set {
	const char *const *names;
	unsigned int count;
	unsigned int nest;
	const struct attr_set *nested;
};

static const char *const service_names[] = {
	[CHRING_A_SERVICE_NAME]		= "name",
	[CHRING_A_SERVICE_PROTOCOL]	= "protocol",
	[CHRING_A_SERVICE_LOCAL_IPV4]	= "local-ipv4",
	[CHRING_A_SERVICE_LOCAL_IPV6]	= "local-ipv6",
	[CHRING_A_SERVICE_V6ONLY]	= "v6only",
	[CHRING_A_SERVICE_DEVICE]	= "device",
	[CHRING_A_SERVICE_LOCAL_PORT]	= "local-port",
	[CHRING_A_SERVICE_OWNER]	= "owner",
	[CHRING_A_SERVICE_NONE]		= "none",
	[CHRING_A_SERVICE_KEY]		= "key",
	[CHRING_A_SERVICE_PREFIX_IPV4]	= "prefix-ipv4",
	[CHRING_A_SERVICE_PREFIX_IPV6]	= "prefix-ipv6",
	[CHRING_A_SERVICE_PAYLOAD_OFFSET] = "payload-offset",
	[CHRING_A_SERVICE_PAYLOAD_LENGTH] = "payload-length",
	[CHRING_A_SERVICE_SLOTS]	= "slots",
	[CHRING_A_SERVICE_BALANCE]	= "balance",
	[CHRING_A_SERVICE_VNODES]	= "vnodes",
	[CHRING_A_SERVICE_SEED]		= "seed",
	[CHRING_A_SERVICE_OVERRIDE]	= "override",
	[CHRING_A_SERVICE_GRACE]	= "grace",
};

static const char *const replica_names[] = {
	[CHRING_A_REPLICA_NAME]		= "name",
	[CHRING_A_REPLICA_FD]		= "fd",
	[CHRING_A_REPLICA_WEIGHT]	= "weight",
	[CHRING_A_REPLICA_PIDFD]	= "pidfd",
	[CHRING_A_REPLICA_RAMP]		= "ramp",
	[CHRING_A_REPLICA_INODE]	= "inode",
	[CHRING_A_REPLICA_REPLACE]	= "replace",
	[CHRING_A_REPLICA_DRAIN]	= "drain",
	[CHRING_A_REPLICA_UP]		= "up",
};

static const char *const replicas_names[] = {
	[CHRING_A_REPLICAS_SERVICE]	= "service",
	[CHRING_A_REPLICAS_REPLICA]	= "replica",
	[CHRING_A_REPLICAS_CHANGE]	= "change",
};

static const char *const lookup_names[] = {
	[CHRING_A_LOOKUP_SERVICE]	= "service",
	[CHRING_A_LOOKUP_REMOTE_IPV4]	= "remote-ipv4",
	[CHRING_A_LOOKUP_REMOTE_IPV6]	= "remote-ipv6",
	[CHRING_A_LOOKUP_REMOTE_PORT]	= "remote-port",
	[CHRING_A_LOOKUP_LOCAL_IPV4]	= "local-ipv4",
	[CHRING_A_LOOKUP_LOCAL_IPV6]	= "local-ipv6",
	[CHRING_A_LOOKUP_PAYLOAD]	= "payload",
	[CHRING_A_LOOKUP_INODE]		= "inode",
};

static const char *const lock_names[] = {
	[CHRING_A_LOCK_NAME]		= "name",
	[CHRING_A_LOCK_MODE]		= "mode",
	[CHRING_A_LOCK_UID]		= "uid",
	[CHRING_A_LOCK_GID]		= "gid",
	[CHRING_A_LOCK_DISCIPLINE]	= "discipline",
	[CHRING_A_LOCK_TOKEN]		= "token",
	[CHRING_A_LOCK_STRICT]		= "strict",
	[CHRING_A_LOCK_STICKY]		= "sticky",
	[CHRING_A_LOCK_TTL_MS]		= "ttl-ms",
	[CHRING_A_LOCK_EXPIRY]		= "expiry",
	[CHRING_A_LOCK_EAGER]		= "eager",
	[CHRING_A_LOCK_SLOTS]		= "slots",
};

static const struct attr_set service_set = {
	.names	= service_names,
	.count	= CHRING_ARRAY_SIZE(service_names),
};

static const struct attr_set replica_set = {
	.names	= replica_names,
	.count	= CHRING_ARRAY_SIZE(replica_names),
};

static const struct attr_set replicas_set = {
	.names	= replicas_names,
	.count	= CHRING_ARRAY_SIZE(replicas_names),
	.nest	= CHRING_A_REPLICAS_REPLICA,
	.nested	= &replica_set,
};

static const struct attr_set lookup_set = {
	.names	= lookup_names,
	.count	= CHRING_ARRAY_SIZE(lookup_names),
};

static const struct attr_set lock_set = {
	.names	= lock_names,
	.count	= CHRING_ARRAY_SIZE(lock_names),
};

/* What the kernel told about a refusal, decoded as far as it goes. */
struct refusal {
	const char *text;
	const char *attr;		/* spec name of the attribute */
	const char *replica;		/* which of several it belongs to */
	struct nlattr *policy;
	bool missing;
};

int chring_fail(struct chring *chring, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(chring->error, sizeof(chring->error), format, args);
	va_end(args);
	return -err;
}

int chring_fail_errno(struct chring *chring, int err, const char *what)
{
	return chring_fail(chring, err, "%s: %s", what, strerror(err));
}

int chring_fail_nomem(struct chring *chring)
{
	return chring_fail(chring, ENOMEM, "%s", strerror(ENOMEM));
}

int chring_fail_no_module(struct chring *chring)
{
	return chring_fail(chring, ENOENT,
			   "the chring module is not loaded (try: modprobe chring)");
}

int chring_fail_reply(struct chring *chring)
{
	return chring_fail(chring, EPROTO,
			   "the kernel's answer is not understood");
}

/* libnl folds errnos into codes of its own; unfold those that can come. */
int chring_fail_nl(struct chring *chring, int nlerr, const char *what)
{
	static const int errnos[] = {
		[NLE_INTR]		= EINTR,
		[NLE_BAD_SOCK]		= EBADF,
		[NLE_AGAIN]		= EAGAIN,
		[NLE_NOMEM]		= ENOMEM,
		[NLE_INVAL]		= EINVAL,
		[NLE_MSGSIZE]		= EMSGSIZE,
		[NLE_OPNOTSUPP]		= EOPNOTSUPP,
		[NLE_AF_NOSUPPORT]	= EAFNOSUPPORT,
		[NLE_OBJ_NOTFOUND]	= ENOENT,
		[NLE_BUSY]		= EBUSY,
		[NLE_NOACCESS]		= EACCES,
		[NLE_PERM]		= EPERM,
	};
	unsigned int code = nlerr < 0 ? -nlerr : nlerr;
	int err = EIO;

	if (code < CHRING_ARRAY_SIZE(errnos) && errnos[code])
		err = errnos[code];
	return chring_fail(chring, err, "%s: %s", what, nl_geterror(nlerr));
}

static const struct attr_set *set_of_command(int cmd)
{
	switch (cmd) {
	case CHRING_CMD_SERVICE_NEW:
	case CHRING_CMD_SERVICE_SET:
	case CHRING_CMD_SERVICE_GET:
	case CHRING_CMD_SERVICE_DEL:
		return &service_set;
	case CHRING_CMD_REPLICA_NEW:
	case CHRING_CMD_REPLICA_SET:
	case CHRING_CMD_REPLICA_GET:
	case CHRING_CMD_REPLICA_DEL:
	case CHRING_CMD_REPLICA_PLAN:
		return &replicas_set;
	case CHRING_CMD_LOOKUP:
		return &lookup_set;
	case CHRING_CMD_LOCK_NEW:
	case CHRING_CMD_LOCK_SET:
	case CHRING_CMD_LOCK_GET:
	case CHRING_CMD_LOCK_DEL:
	case CHRING_CMD_LOCK_BREAK:
		return &lock_set;
	}
	return NULL;
}

static const char *name_of_type(const struct attr_set *set, unsigned int type)
{
	return type < set->count ? set->names[type] : NULL;
}

/* Name the replica in @nest, if the request has more than one. */
static void name_replica(struct refusal *refusal,
			 const struct nlmsghdr *request, struct nlattr *nest)
{
	struct nlattr *name = nla_find(nla_data(nest), nla_len(nest),
				       CHRING_A_REPLICA_NAME);
	struct nlattr *attr;
	int count = 0;
	int left;

	nlmsg_for_each_attr(attr, (struct nlmsghdr *)request, GENL_HDRLEN, left)
		count += nla_type(attr) == CHRING_A_REPLICAS_REPLICA;
	if (name && count > 1)
		refusal->replica = nla_get_string(name);
}

/*
 * Find what is at @offset of @request: the attribute that is wrong, or the nest
 * that lacks one of the type @missing.
 */
static void locate(struct refusal *refusal, const struct nlmsghdr *request,
		   const struct attr_set *set, uint32_t offset, int missing)
{
	const char *at = (const char *)request + offset;
	const struct attr_set *nested = set->nested;
	struct nlattr *inner;
	struct nlattr *attr;
	int inner_left;
	int left;

	nlmsg_for_each_attr(attr, (struct nlmsghdr *)request, GENL_HDRLEN,
			    left) {
		if (at == (char *)attr && !missing)
			refusal->attr = name_of_type(set, nla_type(attr));
		if (!nested || nla_type(attr) != (int)set->nest)
			continue;
		if (at == (char *)attr && missing) {
			refusal->attr = name_of_type(nested, missing);
			name_replica(refusal, request, attr);
		}
		nla_for_each_nested(inner, attr, inner_left) {
			if (at != (char *)inner)
				continue;
			refusal->attr = name_of_type(nested, nla_type(inner));
			name_replica(refusal, request, attr);
		}
	}
}

/* Where the extended acknowledgment starts in an error or end-of-dump. */
static int ext_ack_offset(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error;
	int offset;

	if (answer->nlmsg_type == NLMSG_DONE)
		return sizeof(int);

	error = nlmsg_data(answer);
	offset = sizeof(*error);
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		offset += nlmsg_datalen(&error->msg);
	return offset;
}

static void decode(struct refusal *refusal, const struct nlmsghdr *request,
		   const struct attr_set *set, struct nlmsghdr *answer)
{
	static const struct nla_policy policy[NLMSGERR_ATTR_MAX + 1] = {
		[NLMSGERR_ATTR_MSG]		= { .type = NLA_STRING },
		[NLMSGERR_ATTR_OFFS]		= { .type = NLA_U32 },
		[NLMSGERR_ATTR_POLICY]		= { .type = NLA_NESTED },
		[NLMSGERR_ATTR_MISS_TYPE]	= { .type = NLA_U32 },
		[NLMSGERR_ATTR_MISS_NEST]	= { .type = NLA_U32 },
	};
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
	int missing;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    nlmsg_parse(answer, ext_ack_offset(answer), attrs,
			NLMSGERR_ATTR_MAX, policy) < 0)
		return;

	if (attrs[NLMSGERR_ATTR_MSG])
		refusal->text = nla_get_string(attrs[NLMSGERR_ATTR_MSG]);
	refusal->policy = attrs[NLMSGERR_ATTR_POLICY];
	if (!set)
		return;

	missing = chring_get_uint(attrs[NLMSGERR_ATTR_MISS_TYPE]);
	refusal->missing = missing;
	if (missing && !attrs[NLMSGERR_ATTR_MISS_NEST])
		refusal->attr = name_of_type(set, missing);
	else if (missing)
		locate(refusal, request, set,
		       nla_get_u32(attrs[NLMSGERR_ATTR_MISS_NEST]), missing);
	else if (attrs[NLMSGERR_ATTR_OFFS])
		locate(refusal, request, set,
		       nla_get_u32(attrs[NLMSGERR_ATTR_OFFS]), 0);
}

/* Say what the policy wants, in @text; false where there is nothing to say. */
static bool describe_policy(struct nlattr *nest, const char *name, char *text,
			    size_t size)
{
	struct nlattr *attrs[NL_POLICY_TYPE_ATTR_MAX + 1];
	struct nlattr *min;
	struct nlattr *max;

	if (!nest || nla_parse_nested(attrs, NL_POLICY_TYPE_ATTR_MAX, nest,
				      NULL) < 0)
		return false;

	min = attrs[NL_POLICY_TYPE_ATTR_MIN_VALUE_U];
	max = attrs[NL_POLICY_TYPE_ATTR_MAX_VALUE_U];
	if (min && max && nla_len(min) >= (int)sizeof(uint64_t) &&
	    nla_len(max) >= (int)sizeof(uint64_t)) {
		snprintf(text, size, "%s must be %llu..%llu", name,
			 (unsigned long long)nla_get_u64(min),
			 (unsigned long long)nla_get_u64(max));
		return true;
	}

	min = attrs[NL_POLICY_TYPE_ATTR_MIN_LENGTH];
	max = attrs[NL_POLICY_TYPE_ATTR_MAX_LENGTH];
	if (!max || nla_len(max) < (int)sizeof(uint32_t))
		return false;
	if (min && nla_len(min) >= (int)sizeof(uint32_t) &&
	    nla_get_u32(min) == nla_get_u32(max))
		snprintf(text, size, "%s must be %u bytes", name,
			 nla_get_u32(max));
	else
		snprintf(text, size, "%s must be at most %u bytes", name,
			 nla_get_u32(max));
	return true;
}

/*
 * @answer is the kernel's refusal of @request with the positive @err. @request
 * is NULL where it is not one of this family.
 */
int chring_fail_kernel(struct chring *chring, const struct nlmsghdr *request,
		       struct nlmsghdr *answer, int err)
{
	const struct attr_set *set = NULL;
	struct refusal refusal = { 0 };
	char text[160];

	if (request)
		set = set_of_command(genlmsg_hdr((void *)request)->cmd);
	decode(&refusal, request, set, answer);

	if (refusal.attr && refusal.missing) {
		snprintf(text, sizeof(text), "%s is missing", refusal.attr);
		refusal.text = text;
	} else if (refusal.attr && describe_policy(refusal.policy, refusal.attr,
						   text, sizeof(text))) {
		refusal.text = text;
	}

	if (refusal.text && refusal.attr)
		return chring_fail(chring, err, "%s (attribute %s%s%s): %s",
				   refusal.text, refusal.attr,
				   refusal.replica ? " of replica " : "",
				   refusal.replica ? refusal.replica : "",
				   strerror(err));
	if (refusal.text)
		return chring_fail_errno(chring, err, refusal.text);
	/* The family never says these without a text, genetlink does. */
	if (request && err == ENOENT)
		return chring_fail_no_module(chring);
	if (request && err == EPERM)
		return chring_fail_errno(chring, err, "this needs CAP_NET_ADMIN");
	return chring_fail_errno(chring, err, "the kernel refuses");
}

CHRING_EXPORT const char *chring_error(const struct chring *chring)
{
	return chring->error;
}
