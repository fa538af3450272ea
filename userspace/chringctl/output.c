// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chringctl.h"
#include "output.h"

#define INDENT 4

struct cell {
	const char *key;	/* printed before the value, or NULL */
	char *value;
	bool number;		/* to the right of its column */
	struct cell *column;	/* the first row's cell above it, or itself */
	int width;		/* of the column that begins with it */
	bool on_new_line;
	bool ends_row;
};

/* The rows that wait for their columns' widths to be known. */
struct table {
	struct cell *cells;
	size_t count;
	size_t room;
	int indent;
	bool new_line;
};

struct json {
	bool pretty;
	bool begun;
	bool first;		/* nothing in this object or array yet */
	int depth;
};

/* A process has one standard output. */
static struct table table;
static struct json json;
static bool to_json;
static bool streaming;

static void json_separate(void)
{
	if (!json.first)
		putchar(',');
	json.first = false;
	if (json.pretty)
		printf("\n%*s", INDENT * json.depth, "");
}

static void json_string(const char *text)
{
	const unsigned char *byte;

	putchar('"');
	for (byte = (const unsigned char *)text; *byte; byte++) {
		if (*byte == '"' || *byte == '\\')
			printf("\\%c", *byte);
		else if (*byte < ' ' || *byte > '~')
			printf("\\u%04x", *byte);
		else
			putchar(*byte);
	}
	putchar('"');
}

static void json_key(const char *key)
{
	json_separate();
	json_string(key);
	fputs(json.pretty ? ": " : ":", stdout);
}

static void json_open(char bracket)
{
	putchar(bracket);
	json.first = true;
	json.depth++;
}

static void json_close(char bracket)
{
	json.depth--;
	if (json.pretty && !json.first)
		printf("\n%*s", INDENT * json.depth, "");
	putchar(bracket);
	json.first = false;
}

static void table_add(const char *key, const char *value, bool number)
{
	size_t size = strlen(value) + 1;
	struct cell *cell;

	if (table.count == table.room) {
		table.room = table.room ? 2 * table.room : 64;
		table.cells = allocate(table.cells, table.room,
				       sizeof(*table.cells));
	}
	cell = &table.cells[table.count++];
	cell->key = key;
	cell->value = memcpy(allocate(NULL, size, 1), value, size);
	cell->number = number;
	cell->on_new_line = table.new_line;
	cell->ends_row = false;
	cell->width = 0;
	table.new_line = false;
}

static bool same_key(const struct cell *a, const struct cell *b)
{
	return a->key && b->key ? !strcmp(a->key, b->key) : a->key == b->key;
}

/* A row is aligned with the first one as far as it has the same cells. */
static void table_align(void)
{
	struct cell *end = table.cells + table.count;
	struct cell *column = table.cells;
	struct cell *cell;
	int length;

	for (cell = table.cells; cell < end; cell++) {
		if (column && !same_key(column, cell))
			column = NULL;
		cell->column = column ? column : cell;
		length = strlen(cell->value);
		if (length > cell->column->width)
			cell->column->width = length;

		if (cell->ends_row)
			column = table.cells;
		else if (column)
			column = column->ends_row ? NULL : column + 1;
	}
}

static void print_cell(const struct cell *cell, bool first)
{
	int width = cell->column->width;
	bool last = cell->ends_row || cell[1].on_new_line;

	if (first)
		printf("%*s", table.indent, "");
	else if (cell->on_new_line)
		printf("\n%*s", table.indent + INDENT, "");
	else
		putchar(' ');

	if (cell->key)
		printf("%s ", cell->key);
	if (cell->number)
		printf("%*s", width, cell->value);
	else
		printf("%-*s", last ? 0 : width, cell->value);
	if (cell->ends_row)
		putchar('\n');
}

static void table_flush(void)
{
	size_t i;

	table_align();
	for (i = 0; i < table.count; i++) {
		print_cell(&table.cells[i], !i || table.cells[i - 1].ends_row);
		free(table.cells[i].value);
	}
	table.count = 0;
}

static void table_end_row(void)
{
	if (table.count)
		table.cells[table.count - 1].ends_row = true;
	table.new_line = false;
}

void output_begin(bool as_json, bool pretty)
{
	to_json = as_json;
	json.pretty = pretty;
}

/* Not before there is something to print: an error prints nothing. */
static void json_begin(void)
{
	if (!json.begun)
		json_open('[');
	json.begun = true;
}

void output_as_stream(void)
{
	streaming = true;
}

/* The object that ends was not within another one. */
static void end_streamed(void)
{
	if (to_json)
		putchar('\n');
	else
		table_flush();
	fflush(stdout);
}

void output_end(void)
{
	if (streaming)
		return;
	if (to_json) {
		json_begin();
		json_close(']');
		putchar('\n');
	} else {
		table_flush();
		free(table.cells);
	}
}

void output_object_begin(void)
{
	if (to_json) {
		if (!streaming) {
			json_begin();
			json_separate();
		}
		json_open('{');
	}
}

void output_object_end(void)
{
	if (to_json)
		json_close('}');
	else
		table_end_row();
	if (streaming)
		end_streamed();
}

void output_array_begin(const char *key)
{
	if (to_json) {
		json_key(key);
		json_open('[');
		return;
	}
	table_end_row();
	table_flush();
	table.indent += INDENT;
}

void output_array_end(void)
{
	if (to_json) {
		json_close(']');
		return;
	}
	table_flush();
	table.indent -= INDENT;
}

void output_word(enum output_form form, const char *key, const char *value)
{
	if (to_json)
		output_string(form, key, value);
	else if (form != OUTPUT_JSON)
		table_add(NULL, value, false);
}

void output_string(enum output_form form, const char *key, const char *value)
{
	if (to_json && form != OUTPUT_TEXT) {
		json_key(key);
		json_string(value);
	} else if (!to_json && form != OUTPUT_JSON) {
		table_add(key, value, false);
	}
}

static void json_words(const char *key, const char *const *words, size_t count)
{
	size_t i;

	json_key(key);
	json_open('[');
	for (i = 0; i < count; i++) {
		json_separate();
		json_string(words[i]);
	}
	json_close(']');
}

static void table_words(const char *key, const char *const *words, size_t count)
{
	char text[80] = "";
	size_t i;

	for (i = 0; i < count; i++) {
		strncat(text, i ? "," : "", sizeof(text) - strlen(text) - 1);
		strncat(text, words[i], sizeof(text) - strlen(text) - 1);
	}
	table_add(key, text, false);
}

void output_words(enum output_form form, const char *key,
		  const char *const *words, size_t count)
{
	if (to_json && form != OUTPUT_TEXT)
		json_words(key, words, count);
	else if (!to_json && form != OUTPUT_JSON && count)
		table_words(key, words, count);
}

static void add_number(enum output_form form, const char *key, const char *text)
{
	if (to_json && form != OUTPUT_TEXT) {
		json_key(key);
		fputs(text, stdout);
	} else if (!to_json && form != OUTPUT_JSON) {
		table_add(key, text, true);
	}
}

void output_number(enum output_form form, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_number(form, key, text);
}

void output_bool(enum output_form form, const char *key, bool value)
{
	add_number(form, key, value ? "true" : "false");
}

void output_decimal(enum output_form form, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*f", to_json ? 6 : 3, value);
	add_number(form, key, text);
}

void output_break(void)
{
	table.new_line = !streaming;
}
