// SPDX-License-Identifier: GPL-2.0
/*
 * What moves, and how even it is, as members leave, join, die and return.
 *
 * usage: disruption FILE
 *
 * Writes an array of JSON objects to FILE, and tables to standard output:
 *
 * event		leave, join; return: dies and is back within grace; death:
 *			dies and is removed when grace ends
 * replicas		members before the event
 * survivors_moved	share of the slots of those who stay, or return, that pass
 *			from one of them to another
 * victim_moves		how often a flow of the one that leaves or dies changes
 *			hands until all is over, on average
 * peak_to_mean		after the event: the largest of all shares, each by what is
 *			due to it
 *
 * Each figure is the mean of several runs, in each of which members have come
 * and gone before. Exit status: 1 where a balance of chring falls short.
 */

#include <err.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disruption_subjects.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define RUNS		8
#define NONE		UINT16_MAX

static const struct subject *const subjects[] = {
	&ring_subject,
	&even_subject,
	&reuseport_subject,
	&maglev_4093_subject,
	&maglev_65537_subject,
	&anchorhash_subject,
};

#define NR_SUBJECTS	ARRAY_SIZE(subjects)

static const unsigned int sizes[] = { 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 };

#define NR_SIZES	ARRAY_SIZE(sizes)

static const struct weights {
	const char *name;
	unsigned int of[3];
} weights[] = {
	{ "equal", { 1, 1, 1 } },
	{ "1:2:4", { 1, 2, 4 } },
};

enum event { LEAVE, JOIN, RETURN, DEATH, NR_EVENTS };

static const char *const event_names[NR_EVENTS] = {
	"leave", "join", "return", "death"
};

#define NR_WEIGHTS	ARRAY_SIZE(weights)

/**
 * struct result - what has come of one case
 * @weights: index of the case's
 * @event: of the case
 * @subject: index of the case's
 * @size: index of the case's
 * @within_a_slot: no member has been a slot or more from its due
 */
struct result {
	unsigned int weights;
	enum event event;
	unsigned int subject;
	unsigned int size;
	double survivors_moved;
	double victim_moves;
	double peak_to_mean;
	bool within_a_slot;
};

#define NR_RESULTS	(NR_WEIGHTS * NR_EVENTS * NR_SUBJECTS * NR_SIZES)

static struct result results[NR_RESULTS];

/* By weights, then by event, subject and size */
static struct result *result_of(unsigned int weights, unsigned int event,
				unsigned int subject, unsigned int size)
{
	return &results[((weights * NR_EVENTS + event) * NR_SUBJECTS +
			 subject) * NR_SIZES + size];
}

/**
 * struct run - one subject through one event
 * @subject: the subject
 * @state: its own
 * @random: state of the random numbers, the same for each subject
 * @nr_named: members so far
 * @nr_members: length of @members
 * @members: those that are there
 * @weight: of each member
 * @before: who served each slot before the event
 * @now: who serves it now
 * @last: who served it a step before
 * @victim: who leaves or dies; NONE
 * @newcomer: who joins; NONE
 * @victim_moves: slots of the victim that changed hands, over all steps
 */
struct run {
	const struct subject *subject;
	void *state;
	uint64_t random;
	unsigned int nr_named;
	unsigned int nr_members;
	unsigned int members[MAX_MEMBERS];
	unsigned int weight[MAX_MEMBERS];
	uint16_t *before;
	uint16_t *now;
	uint16_t *last;
	uint16_t victim;
	uint16_t newcomer;
	uint64_t victim_moves;
};

static unsigned int random_below(struct run *run, unsigned int bound)
{
	run->random = run->random * 6364136223846793005 + 1442695040888963407;
	return (run->random >> 32) * bound >> 32;
}

static void join(struct run *run, unsigned int weight)
{
	unsigned int member = run->nr_named++;

	run->weight[member] = weight;
	run->members[run->nr_members++] = member;
	run->subject->join(run->state, member, weight);
}

static void leave(struct run *run, unsigned int place)
{
	run->subject->leave(run->state, run->members[place]);
	run->members[place] = run->members[--run->nr_members];
}

static uint16_t *slots_new(const struct subject *subject)
{
	uint16_t *slots = calloc(subject->nr_slots, sizeof(*slots));

	if (!slots)
		err(1, "memory");
	return slots;
}

/* So many members, half of whom have taken the places of others */
static void begin(struct run *run, const struct subject *subject,
		  const struct weights *weights, unsigned int size,
		  uint64_t seed)
{
	unsigned int i, place, weight;

	*run = (struct run){
		.subject = subject,
		.state = subject->new(seed),
		.random = seed,
		.before = slots_new(subject),
		.now = slots_new(subject),
		.last = slots_new(subject),
		.victim = NONE,
		.newcomer = NONE,
	};
	for (i = 0; i < size; i++)
		join(run, weights->of[i % 3]);
	for (i = 0; i < size / 2; i++) {
		place = random_below(run, size);
		weight = run->weight[run->members[place]];
		leave(run, place);
		join(run, weight);
	}
	subject->serve(run->state, run->before);
	subject->serve(run->state, run->now);
}

static void end(struct run *run)
{
	run->subject->free(run->state);
	free(run->before);
	free(run->now);
	free(run->last);
}

/* Something has happened: sees who serves now, and what that is for the victim */
static void step(struct run *run)
{
	uint16_t *last = run->last;
	unsigned int slot;

	run->last = run->now;
	run->now = last;
	run->subject->serve(run->state, run->now);
	for (slot = 0; slot < run->subject->nr_slots; slot++)
		run->victim_moves += run->before[slot] == run->victim &&
				     run->now[slot] != run->last[slot];
}

static void happen(struct run *run, const struct weights *weights,
		   enum event event)
{
	const struct subject *subject = run->subject;
	unsigned int place = random_below(run, run->nr_members);
	unsigned int victim = run->members[place];

	if (event == JOIN) {
		run->newcomer = run->nr_named;
		join(run, weights->of[random_below(run, 3)]);
		step(run);
		return;
	}
	run->victim = victim;
	if (event != LEAVE && subject->die) {
		subject->die(run->state, victim);
		step(run);
		subject->notice(run->state);
		step(run);
		if (event == RETURN)
			subject->rise(run->state, victim);
		else
			leave(run, place);
	} else {
		leave(run, place);
		if (event == RETURN) {
			step(run);
			run->members[run->nr_members++] = victim;
			subject->join(run->state, victim, run->weight[victim]);
		}
	}
	step(run);
}

static void judge(const struct run *run, struct result *result)
{
	unsigned int nr_slots = run->subject->nr_slots, total = 0, slot, i;
	unsigned int gone = result->event == RETURN ? NONE : run->victim;
	unsigned int owned = 0, moved = 0, others = 0;
	unsigned int serves[MAX_MEMBERS] = { 0 };
	double share, due, peak = 0;

	for (slot = 0; slot < nr_slots; slot++) {
		uint16_t from = run->before[slot], to = run->now[slot];

		serves[to]++;
		owned += from == run->victim;
		others += from != gone;
		moved += from != to && from != gone && to != run->newcomer;
	}
	for (i = 0; i < run->nr_members; i++)
		total += run->weight[run->members[i]];
	for (i = 0; i < run->nr_members; i++) {
		share = (double)serves[run->members[i]] / nr_slots * total /
			run->weight[run->members[i]];
		peak = share > peak ? share : peak;
		due = (double)nr_slots * run->weight[run->members[i]] / total;
		if (fabs(serves[run->members[i]] - due) >= 1)
			result->within_a_slot = false;
	}
	result->survivors_moved += (double)moved / others / RUNS;
	if (owned)
		result->victim_moves += (double)run->victim_moves / owned / RUNS;
	result->peak_to_mean += peak / RUNS;
}

static void measure(unsigned int nr)
{
	struct result *result = &results[nr];
	const struct weights *of;
	struct run run;
	unsigned int i;

	result->size = nr % NR_SIZES;
	result->subject = nr / NR_SIZES % NR_SUBJECTS;
	result->event = nr / NR_SIZES / NR_SUBJECTS % NR_EVENTS;
	result->weights = nr / NR_SIZES / NR_SUBJECTS / NR_EVENTS;
	result->within_a_slot = true;
	of = &weights[result->weights];
	for (i = 0; i < RUNS; i++) {
		begin(&run, subjects[result->subject], of, sizes[result->size], i);
		happen(&run, of, result->event);
		judge(&run, result);
		end(&run);
	}
}

static double survivors_moved(const struct result *result)
{
	return 100 * result->survivors_moved;
}

static double victim_moves(const struct result *result)
{
	return result->victim_moves;
}

static double peak_to_mean(const struct result *result)
{
	return result->peak_to_mean;
}

static void print_table(const char *title, unsigned int w, unsigned int events,
			const char *format,
			double (*figure)(const struct result *))
{
	unsigned int event, s, size;

	printf("\n%s, weights %s\n\n%-8s%-14s", title, weights[w].name, "event",
	       "replicas:");
	for (size = 0; size < NR_SIZES; size++)
		printf("%8u", sizes[size]);
	printf("\n");
	for (event = 0; event < NR_EVENTS; event++) {
		if (!(events & 1 << event))
			continue;
		for (s = 0; s < NR_SUBJECTS; s++) {
			printf("%-8s%-14s", s ? "" : event_names[event],
			       subjects[s]->name);
			for (size = 0; size < NR_SIZES; size++)
				printf(format, figure(result_of(w, event, s, size)));
			printf("\n");
		}
	}
}

static void write_json(const char *path)
{
	const struct result *result;
	FILE *file = fopen(path, "we");

	if (!file)
		err(1, "%s", path);
	for (result = results; result < results + NR_RESULTS; result++) {
		fprintf(file, "%s{\"event\": \"%s\", \"subject\": \"%s\", ",
			result == results ? "[" : ",\n ",
			event_names[result->event],
			subjects[result->subject]->name);
		fprintf(file, "\"replicas\": %u, \"weights\": \"%s\", ",
			sizes[result->size], weights[result->weights].name);
		fprintf(file, "\"survivors_moved\": %.6g, ",
			result->survivors_moved);
		fprintf(file, "\"victim_moves\": %.6g, \"peak_to_mean\": %.6g}",
			result->victim_moves, result->peak_to_mean);
	}
	fprintf(file, "]\n");
	if (fclose(file))
		err(1, "%s", path);
}

static bool check(const struct result *result)
{
	const char *name = subjects[result->subject]->name, *wrong = NULL;
	bool even = subjects[result->subject] == &even_subject;

	if (!even && subjects[result->subject] != &ring_subject)
		return true;
	if (result->survivors_moved > 0)
		wrong = "slots pass among those who stay";
	else if (result->event == DEATH && result->victim_moves != 1)
		wrong = "flows of the dead do not move once";
	else if (even && !result->within_a_slot)
		wrong = "a member is a slot or more from its due";
	else if (even && !result->weights && sizes[result->size] == 8 &&
		 result->peak_to_mean > 1.001)
		wrong = "shares are not even";
	if (wrong)
		printf("FAIL: %s, %s, %u replicas, weights %s: %s\n", name,
		       event_names[result->event], sizes[result->size],
		       weights[result->weights].name, wrong);
	return !wrong;
}

int main(int argc, char **argv)
{
	unsigned int w, i;
	bool good = true;

	if (argc != 2)
		errx(1, "usage: disruption FILE");
	for (i = 0; i < NR_RESULTS; i++)
		measure(i);
	/* A death is like a leave, but for its victim */
	for (w = 0; w < NR_WEIGHTS; w++)
		print_table("Slots that pass among those who stay, in %", w,
			    1 << LEAVE | 1 << JOIN | 1 << RETURN, "%8.3f",
			    survivors_moved);
	for (w = 0; w < NR_WEIGHTS; w++)
		print_table("Largest share afterwards, by what is due", w,
			    1 << LEAVE | 1 << JOIN, "%8.4f", peak_to_mean);
	print_table("Times that a flow of the victim changes hands", 0,
		    1 << RETURN | 1 << DEATH, "%8.3f", victim_moves);
	write_json(argv[1]);
	for (i = 0; i < NR_RESULTS; i++)
		good &= check(&results[i]);
	return !good;
}
