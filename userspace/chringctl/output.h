/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a command prints, from one call as text or as JSON. The JSON is an
 * array of objects. The text is a table: an object is a row, its values are
 * columns, each but the words led by its key. As a stream, both are an object a
 * line, written out as soon as it ends.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which of the two a value appears in. */
enum output_form {
	OUTPUT_BOTH,
	OUTPUT_TEXT,
	OUTPUT_JSON,
};

void output_begin(bool as_json, bool pretty);
void output_end(void);

/* Between output_begin() and the first object. */
void output_as_stream(void);

void output_object_begin(void);
void output_object_end(void);

/* In text the objects of an array are rows below that of their object. */
void output_array_begin(const char *key);
void output_array_end(void);

void output_word(enum output_form form, const char *key, const char *value);
void output_string(enum output_form form, const char *key, const char *value);
/* In text not at all where there are none. */
void output_words(enum output_form form, const char *key,
		  const char *const *words, size_t count);
void output_number(enum output_form form, const char *key, uint64_t value);
void output_bool(enum output_form form, const char *key, bool value);
void output_decimal(enum output_form form, const char *key, double value);

/* In text, but for a stream, what follows is on an indented line of its own. */
void output_break(void);

#endif /* OUTPUT_H */
