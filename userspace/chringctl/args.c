// SPDX-License-Identifier: GPL-2.0
/* Taking a command's words one by one, and saying what is wrong with them. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chringctl.h"

/* In nanoseconds; a century. */
#define DURATION_MAX 3.2e18

static void print_error(const char *format, va_list values)
{
	fputs("chringctl: ", stderr);
	vfprintf(stderr, format, values);
	fputc('\n', stderr);
}

enum status mistake(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	print_error(format, values);
	va_end(values);
	return STATUS_USAGE;
}

enum status failure(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	print_error(format, values);
	va_end(values);
	return STATUS_SYSTEM;
}

/* The status for what a call of libchring returned. */
enum status outcome(const struct chring *chring, int ret)
{
	if (ret < 0)
		return failure("%s", chring_error(chring));
	return STATUS_DONE;
}

/* As reallocarray(), but does not return without memory. */
void *allocate(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count, size);

	if (!memory)
		exit(failure("out of memory"));
	return memory;
}

enum status next_word(struct args *args, const char *what, const char **word)
{
	*word = "";
	if (!args->left)
		return mistake("%s is missing", what);
	*word = *args->words++;
	args->left--;
	return STATUS_DONE;
}

bool next_is(const struct args *args, const char *word)
{
	return args->left && !strcmp(*args->words, word);
}

/* Take the next word if it is @word. */
bool take_word(struct args *args, const char *word)
{
	if (!next_is(args, word))
		return false;
	args->words++;
	args->left--;
	return true;
}

enum status no_more_words(const struct args *args)
{
	if (args->left)
		return mistake("'%s' is not expected here", *args->words);
	return STATUS_DONE;
}

/* What is to be said where neither an option of a command nor "--" comes. */
enum status no_such_option(const struct args *args)
{
	enum status status = no_more_words(args);

	return status ? status : mistake("-- COMMAND is missing");
}

/* Take all words that are left: those after "--", a command to be run. */
enum status take_command(struct args *args, char ***words)
{
	if (!args->left)
		return mistake("COMMAND is missing");
	*words = args->words;
	return STATUS_DONE;
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = digit ? strchr(digits, tolower(digit)) : NULL;

	return found ? found - digits : -1;
}

/* The byte that two hexadecimal digits are; -1 where the next two are not. */
int parse_hex(const char *digits)
{
	int high = hex_digit(digits[0]);
	int low = high < 0 ? -1 : hex_digit(digits[1]);

	return low < 0 ? -1 : high << 4 | low;
}

bool parse_number(const char *word, uint32_t min, uint32_t max,
		  uint32_t *number)
{
	unsigned long long value = 0;
	const char *digit;

	for (digit = word; *digit >= '0' && *digit <= '9'; digit++) {
		value = 10 * value + (*digit - '0');
		if (value > max)
			return false;
	}
	if (digit == word || *digit || value < min)
		return false;
	*number = value;
	return true;
}

enum status next_number(struct args *args, const char *what, uint32_t min,
			uint32_t max, uint32_t *number)
{
	enum status status;
	const char *word;

	status = next_word(args, what, &word);
	if (status)
		return status;
	if (!parse_number(word, min, max, number))
		return mistake("%s must be %u..%u, not '%s'", what, min, max,
			       word);
	return STATUS_DONE;
}

enum status next_token(struct args *args, uint64_t *token)
{
	unsigned long long value;
	enum status status;
	const char *word;

	status = next_word(args, "TOKEN", &word);
	if (status)
		return status;
	errno = 0;
	value = strtoull(word, NULL, 10);
	if (!*word || word[strspn(word, "0123456789")] || errno || !value)
		return mistake("TOKEN must be a number, as lock show has it, not '%s'",
			       word);
	*token = value;
	return STATUS_DONE;
}

/* A number of seconds, or of what its unit says; false where it is neither. */
static bool parse_duration(const char *word, uint64_t *nanoseconds)
{
	static const struct {
		const char *name;
		double nanoseconds;
	} units[] = {
		{ "", 1e9 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 },
		{ "h", 3600e9 }, { }
	};
	double value;
	char *unit;
	size_t i;

	/* No sign, no "inf", no "0x". */
	if (strspn(word, "0123456789.") != strcspn(word, "msh") ||
	    !strpbrk(word, "0123456789"))
		return false;
	value = strtod(word, &unit);
	for (i = 0; units[i].name; i++) {
		if (strcmp(unit, units[i].name))
			continue;
		value *= units[i].nanoseconds;
		if (value > DURATION_MAX)
			return false;
		*nanoseconds = value;
		return true;
	}
	return false;
}

enum status next_duration(struct args *args, const char *what,
			  uint64_t *nanoseconds)
{
	enum status status;
	const char *word;

	status = next_word(args, what, &word);
	if (status)
		return status;
	if (!parse_duration(word, nanoseconds))
		return mistake("%s must be a time like 10, 0.5, 200ms, 5m or 2h, not '%s'",
			       what, word);
	return STATUS_DONE;
}

/* A lease, which is no shorter than it was said to be. */
enum status next_ttl(struct args *args, uint32_t *milliseconds)
{
	const uint64_t ms = 1000000;
	uint64_t nanoseconds;
	enum status status;

	status = next_duration(args, "ttl", &nanoseconds);
	if (status)
		return status;
	if (nanoseconds > ms * (UINT32_MAX - 1))
		return mistake("ttl must be %us at most",
			       (unsigned int)((UINT32_MAX - 1) / 1000));
	*milliseconds = (nanoseconds + ms - 1) / ms;
	return STATUS_DONE;
}

enum status next_protocol(struct args *args, int *protocol)
{
	if (take_word(args, "tcp")) {
		*protocol = IPPROTO_TCP;
		return STATUS_DONE;
	}
	if (take_word(args, "udp")) {
		*protocol = IPPROTO_UDP;
		return STATUS_DONE;
	}
	if (!args->left)
		return mistake("the protocol is missing");
	return mistake("the protocol must be tcp or udp, not '%s'",
		       *args->words);
}

enum status next_user(struct args *args, uid_t *user)
{
	const struct passwd *entry;
	enum status status;
	const char *word;

	status = next_word(args, "USER", &word);
	if (status)
		return status;
	if (parse_number(word, 0, CHRING_OWNER_SELF - 1, user))
		return STATUS_DONE;
	entry = getpwnam(word);
	if (!entry)
		return failure("there is no user '%s'", word);
	*user = entry->pw_uid;
	return STATUS_DONE;
}

enum status next_group(struct args *args, gid_t *group)
{
	const struct group *entry;
	enum status status;
	const char *word;

	status = next_word(args, "GROUP", &word);
	if (status)
		return status;
	if (parse_number(word, 0, CHRING_LOCK_KEEP - 1, group))
		return STATUS_DONE;
	entry = getgrnam(word);
	if (!entry)
		return failure("there is no group '%s'", word);
	*group = entry->gr_gid;
	return STATUS_DONE;
}

enum status next_mode(struct args *args, uint32_t *mode)
{
	enum status status;
	const char *word;

	status = next_word(args, "MODE", &word);
	if (status)
		return status;
	if (!*word || strlen(word) > 4 ||
	    word[strspn(word, "01234567")] || (strtoul(word, NULL, 8) & ~0666))
		return mistake("mode must be octal, of read and write bits like 640, not '%s'",
			       word);
	*mode = strtoul(word, NULL, 8);
	return STATUS_DONE;
}
