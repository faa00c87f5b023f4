/* badges.h: the table of badges: its life, for linux.c. What it answers is in linux.h. */
#ifndef RECAP_KERNEL_LINUX_BADGES_H
#define RECAP_KERNEL_LINUX_BADGES_H

struct linux_badges;

struct linux_badges *linux_badges_new(void);
void linux_badges_free(struct linux_badges *badges);

#endif
